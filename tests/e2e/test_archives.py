"""Archives from the bucket, or from the command, to recordings that are ready; and workers that die in between."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.archives import special
from tests.support.corpora import contributor_tar, tar_of, wav
from tests.support.processes import kill_program
from tests.support.stack import AUDIO, FullStack, until

pytestmark = pytest.mark.slow


def put(stack: FullStack, key: str, content: bytes) -> None:
    stack.s3().put_object(AUDIO, key, io.BytesIO(content), len(content))


def ingest(stack: FullStack, *words: object) -> tuple[int, Any]:
    done = stack.earmark("ingest", *map(str, words), "--wait", "--timeout", "200", "--json", check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_release_of_tars_of_tars_put_by_a_plain_client_becomes_ready(full_stack: FullStack) -> None:
    full_stack.collection("sap-tars", segmenter="whole", encoders=["spectral"])
    outer = tar_of({f"{name}.tar": contributor_tar(name) for name in ("0a1b", "2c3d")})
    put(full_stack, "sap-tars/Train/SpeechAccessibility_000.tar", outer)

    objects = full_stack.settled("sap-tars", 4)

    base = "sap-tars/Train/SpeechAccessibility_000"
    assert {key for key, item in objects.items() if item["status"] == "ready"} == {
        f"{base}/{name}/{name}/{name}_{n}_{n}_16kHz.wav" for name in ("0a1b", "2c3d") for n in range(2)
    }
    with full_stack.api() as api:
        (archive,) = api.get("/v1/collections/sap-tars/archives").json()["items"]
    assert (archive["state"], archive["taken"], archive["skipped"], archive["refused"]) == ("unpacked", 4, 2, 0)


def test_the_command_waits_for_members_and_tells_those_that_were_refused(full_stack: FullStack, tmp_path: Path) -> None:
    (tmp_path / "day.tar").write_bytes(
        tar_of(
            {"a.wav": wav(300), "../b.wav": wav(400), "c.wav": special("c.wav", b"2", "/etc/passwd"), "d.bin": b"0101"}
        )
    )
    name = "told-tars"
    status, report = ingest(
        full_stack, tmp_path / "day.tar", "-c", name, "--segmenter", "whole", "--encoder", "spectral"
    )

    told = {row["object_key"]: (row["status"], (row["reason"] or "").partition(":")[0]) for row in report["files"]}
    assert told == {
        f"{name}/day.tar": ("unpacked", ""),
        f"{name}/day/a.wav": ("ready", ""),
        f"{name}/day/d.bin": ("rejected", "not_audio"),
        f"{name}/day.tar!../b.wav": ("rejected", "member_traversal"),
        f"{name}/day.tar!c.wav": ("rejected", "member_link"),
    }
    assert status == 3
    (row,) = json.loads(full_stack.earmark("archives", "-c", name, "--json").stdout)
    assert (row["state"], row["taken"], row["refused"], row["read_percent"]) == ("unpacked", 2, 2, 100)
    refused = json.loads(full_stack.earmark("archives", "-c", name, "--refused", "--json").stdout)
    assert [row["code"] for row in refused] == ["member_traversal", "member_link"]


def test_an_archive_of_sound_recordings_alone_is_a_success(full_stack: FullStack, tmp_path: Path) -> None:
    (tmp_path / "day.tar").write_bytes(tar_of({"a.wav": wav(310), "notes.txt": b"left out"}))

    status, report = ingest(
        full_stack, tmp_path / "day.tar", "-c", "sound-tars", "--segmenter", "whole", "--encoder", "spectral"
    )

    assert (status, [row["status"] for row in report["files"]]) == (0, ["unpacked", "ready"])


def test_workers_that_are_killed_while_they_unpack_lose_and_double_nothing(full_stack: FullStack) -> None:
    full_stack.collection("killed-tars", segmenter="whole", encoders=["spectral"])
    n_members, n_kills = 400, 2
    put(full_stack, "killed-tars/day.tar.gz", tar_of({f"{n}.wav": wav(100 + n, 0.1) for n in range(n_members)}, "w:gz"))

    def taken() -> int:
        rows = full_stack.sql("SELECT n_taken FROM archive WHERE collection = 'killed-tars'")
        return rows[0][0] if rows else 0

    for kill in range(1, n_kills + 1):
        until(lambda kill=kill: taken() >= kill * n_members // 4, 60)  # type: ignore[misc]  # mypy: a default
        assert taken() < n_members, "it was through before it could be killed"
        kill_program(full_stack.data_dir, "ingest")
    objects = full_stack.settled("killed-tars", n_members, timeout_s=200)

    assert sum(item["status"] == "ready" for item in objects.values()) == n_members
    rows = full_stack.sql(
        """SELECT count(*), count(DISTINCT m.key), max(a.n_taken)
           FROM archive_member m JOIN archive a USING (archive_id) WHERE a.collection = 'killed-tars'"""
    )
    assert rows == [(n_members, n_members, n_members)]
    assert full_stack.sql("SELECT count(*) FROM recording WHERE collection = 'killed-tars'") == [(n_members,)]
    seen = full_stack.sql(
        """SELECT count(*) FROM event WHERE type = 'io.earmark.object.seen.v1'
           AND data->>'key' LIKE 'killed-tars/day/%%'"""
    )
    assert seen == [(n_members,)]  # none was put again with other bytes, or later
