"""S3 clients that are not ours, as the people who fill the bucket use them."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import boto3
from boto3.s3.transfer import TransferConfig

from services.launcher.stack import StackState
from tests.support.stack import AUDIO, s3_client

_PART_BYTES: Final = 5 << 20  # the least that S3 allows

Put = Callable[[StackState, Path, str], None]
"""Puts a file under a key of the audio bucket. Names no metadata, makes no folder marker, tells nobody."""


def boto3_client(state: StackState) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=state.s3_endpoint,
        aws_access_key_id=state.s3_access_key,
        aws_secret_access_key=state.s3_secret_key,
        region_name="us-east-1",
    )


def boto3_put(state: StackState, source: Path, key: str) -> None:
    boto3_client(state).put_object(Bucket=AUDIO, Key=key, Body=source.read_bytes())


def boto3_multipart(state: StackState, source: Path, key: str) -> None:
    parts = TransferConfig(multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES)
    boto3_client(state).upload_file(str(source), AUDIO, key, Config=parts)


def minio_put(state: StackState, source: Path, key: str) -> None:
    with source.open("rb") as file:
        s3_client(state).put_object(AUDIO, key, file, source.stat().st_size)


def rclone_copy(state: StackState, source: Path, key: str) -> None:
    remote = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ENDPOINT": state.s3_endpoint,
        "ACCESS_KEY_ID": state.s3_access_key,
        "SECRET_ACCESS_KEY": state.s3_secret_key,
        "REGION": "us-east-1",
    }
    # AWS_*: of somebody's own account; a bundle of certificates named there keeps rclone from starting.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {f"RCLONE_CONFIG_EARMARK_{name}": value for name, value in remote.items()}
    folder, _, name = key.rpartition("/")
    assert name == source.name, "rclone copies a file under its own name"
    command = ["rclone", "--config", os.devnull, "copy", str(source), f"earmark:{AUDIO}/{folder}"]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)


# On a laptop without rclone it is left out; in CI it must be there.
CLIENTS: Final[dict[str, Put]] = {"boto3": boto3_put, "minio": minio_put} | (
    {"rclone": rclone_copy} if shutil.which("rclone") or os.environ.get("CI") else {}
)
