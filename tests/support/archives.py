"""Archives as strangers make them: hostile, damaged, or merely odd."""

import io
import struct
import tarfile
import zipfile
from collections.abc import Mapping

from tests.support.corpora import tar_of

NESTED = "nested"
END = bytes(1024)
"""What a tar ends with."""


def header(name: str, size_bytes: int = 0) -> bytes:
    """A tar's header of a file, without its bytes."""
    member = tarfile.TarInfo(name)
    member.size = size_bytes
    return member.tobuf(tarfile.GNU_FORMAT)


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    """A member of a tar that is no file."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def raw_name(name: bytes, content: bytes = b"sound") -> bytes:
    """A tar whose one member has these bytes for a name."""
    member = tarfile.TarInfo(name.decode("utf-8", "surrogateescape"))
    member.size = len(content)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as tar:
        tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def sparse(name: str, size_bytes: int) -> bytes:
    """A header of GNU tar's old sparse format, for a file of that size without any bytes in it."""
    member = tarfile.TarInfo(name)
    raw = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    raw[156:157] = tarfile.GNUTYPE_SPARSE
    raw[124:136] = b"%011o\0" % 0
    raw[483:495] = b"\x80" + size_bytes.to_bytes(11, "big")
    return summed(raw)


def claiming(name: str, size_bytes: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A header of a file, or of something that nobody knows, that claims a size, perhaps a negative one."""
    raw = bytearray(header(name))
    raw[156:157] = kind
    raw[124:136] = (b"\xff" if size_bytes < 0 else b"\x80") + size_bytes.to_bytes(11, "big", signed=True)
    return summed(raw)


def summed(raw: bytearray) -> bytes:
    """The header with its own checksum."""
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    return bytes(raw)


def nested(depth: int, innermost: Mapping[str, bytes]) -> bytes:
    """So many tars within each other."""
    packed = tar_of(innermost)
    for _ in range(depth - 1):
        packed = tar_of({f"{NESTED}.tar": packed})
    return packed


def zip_of(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these members."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def encrypted(packed: bytes) -> bytes:
    """A zip that says of each member that it is encrypted."""
    changed = bytearray(packed)
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = packed.find(magic)
        while at >= 0:
            changed[at + offset] |= 1
            at = packed.find(magic, at + 4)
    return bytes(changed)


def lying(packed: bytes, n_bytes: int) -> bytes:
    """A zip whose list says of each member that it has so many bytes more."""
    changed = bytearray(packed)
    at = packed.find(b"PK\x01\x02")
    while at >= 0:
        (size,) = struct.unpack_from("<I", changed, at + 24)
        struct.pack_into("<I", changed, at + 24, max(0, size + n_bytes))
        at = packed.find(b"PK\x01\x02", at + 4)
    return bytes(changed)


def zip_link(name: str, target: str) -> bytes:
    """A zip with a symbolic link, as Unix packs them."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        member = zipfile.ZipInfo(name)
        member.create_system, member.external_attr = 3, 0o120777 << 16
        archive.writestr(member, target)
    return packed.getvalue()


def zip64(files: Mapping[str, bytes]) -> bytes:
    """A zip in the form of those above 4 GiB."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", allowZip64=True) as archive:
        for name, content in files.items():
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(content)
    return packed.getvalue()
