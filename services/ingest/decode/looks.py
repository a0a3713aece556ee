"""What a file looks like that is no recording, so that the refusal can say so."""

from typing import Final

from services.ingest.decode.errors import NotAudio, UnsupportedContainer
from shared.errors import RejectedInput

PICTURE_BRANDS: Final = frozenset({b"avif", b"avis", b"heic", b"heix", b"heim", b"hevc", b"mif1", b"msf1", b"crx "})

_NO_AUDIO: Final[tuple[tuple[int, bytes, str], ...]] = (  # offset, bytes, name
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (8, b"WEBP", "a WebP image"),
    (4, b"ftyp", "a HEIF or AVIF image"),
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"PK\x05\x06", "an empty zip archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ\x00", "an xz archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"SQLite format 3", "a database"),
    (0, b"MThd", "a MIDI file, which holds notes and no sound"),
)
_OTHER_AUDIO: Final[tuple[tuple[int, bytes, str], ...]] = (
    (8, b"AIFF", "AIFF"),
    (8, b"AIFC", "AIFF"),
    (0, b"RIFX", "big-endian WAV"),
    (8, b"AVI ", "AVI"),
    (0, b"riff\x2e\x91\xcf\x11", "Wave64"),
    (0, b"caff", "CAF"),
    (0, b".snd", "AU"),
    (0, b"#!AMR", "AMR"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"TTA1", "True Audio"),
    (0, b"DSD ", "DSD"),
    (0, b"FLV\x01", "Flash video"),
    (0, b"\x00\x00\x01\xba", "an MPEG programme stream"),
    (0, b"ADIF", "raw AAC"),
    (0, b"\xff\xf1", "raw AAC"),
    (0, b"\xff\xf9", "raw AAC"),
    (4, b"moov", "QuickTime without a type"),
    (4, b"mdat", "QuickTime without a type"),
    (0, b"NIST_1A", "NIST Sphere"),
)
_TEXTS: Final[tuple[tuple[str, str], ...]] = (  # how a text begins, lower case
    ("#extm3u", "a playlist"),
    ("[playlist]", "a playlist"),
    ("ffconcat", "a list of files to join"),
    ("<asx", "a playlist"),
    ("#!", "a script"),
    ("<!doctype html", "a web page"),
    ("<html", "a web page"),
    ("<?xml", "an XML document"),
    ("{", "a JSON document"),
    ("version https://git-lfs", "a Git LFS pointer, not the file itself"),
)


def refusal(head: bytes) -> RejectedInput:
    """UnsupportedContainer for audio of other kinds, else NotAudio, naming what the bytes look like."""
    for offset, magic, name in _OTHER_AUDIO:
        if head.startswith(magic, offset):
            return UnsupportedContainer(f"It looks like {name}.")
    for offset, magic, name in _NO_AUDIO:
        if head.startswith(magic, offset):
            return NotAudio(f"It looks like {name}.")
    if not head.strip(b"\0"):
        return NotAudio("It begins with nothing but zero bytes.")
    text = _as_text(head)
    if text is None:
        return NotAudio("Its first bytes belong to no known kind of file.")
    start = text.lstrip().lower()
    name = next((name for beginning, name in _TEXTS if start.startswith(beginning)), "text")
    return NotAudio(f"It looks like {name}.")


def _as_text(head: bytes) -> str | None:
    """The bytes as text, or None if they are none."""
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = head[: len(head) - len(head) % 2].decode(encoding, "replace") if encoding == "utf-16" else _utf8(head)
    if text is None:
        return None
    strange = sum(not (character.isprintable() or character.isspace()) for character in text)
    return text if text and strange <= len(text) // 100 else None


def _utf8(head: bytes) -> str | None:
    for cut in range(4):  # the head may end within a character
        try:
            return head[: len(head) - cut].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
    return None
