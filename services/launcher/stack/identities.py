"""Who each service is to the embedded servers: a role of Postgres and a key of the object store, each with few rights.

Their secrets follow from those of the stack, so that there is nothing more to keep.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from services.launcher.stack.programs import Program
from shared.storage.roles import SERVICES, Service

_AUDIO, _DERIVED = "{audio}", "{derived}"
STORE_RIGHTS: Final[Mapping[Service, tuple[str, ...]]] = {
    "watch": (f"Read:{_AUDIO}", f"List:{_AUDIO}"),
    "ingest": (  # members of archives are put beside them; erased originals are deleted
        f"Read:{_AUDIO}",
        f"List:{_AUDIO}",
        f"Write:{_AUDIO}",
        f"Read:{_DERIVED}",
        f"List:{_DERIVED}",
        f"Write:{_DERIVED}/recordings/*",
        f"Write:{_DERIVED}/renditions/*",
    ),
    "embedder": (f"Read:{_DERIVED}", f"List:{_DERIVED}", f"Write:{_DERIVED}/frames/*"),
    "reconciler": (f"Read:{_DERIVED}", f"List:{_DERIVED}", f"Write:{_DERIVED}"),
    "console": (f"Read:{_AUDIO}", f"Write:{_AUDIO}", f"Read:{_DERIVED}"),
}
"""What SeaweedFS calls actions: verbs of S3 on a bucket, or on what begins so in it. The others have no key."""


def secret_of(base: str, service: Service) -> str:
    """A secret of a service's own, in hexadecimal."""
    return hmac.new(base.encode(), service.encode(), hashlib.sha256).hexdigest()[:40]


def key_of(service: Service) -> str:
    """The name of its key."""
    return f"earmark-{service}"


def rights_in_store(service: Service, audio_bucket: str, derived_bucket: str) -> list[str]:
    """Its actions on buckets of these names."""
    return [right.format(audio=audio_bucket, derived=derived_bucket) for right in STORE_RIGHTS.get(service, ())]


def service_of(program: Program) -> Service | None:
    """Whose program it is; there may be several of a service, `embedder-gpu1` for one."""
    first = program.name.partition("-")[0]
    return next((service for service in SERVICES if service == first), None)
