import io
import tempfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.decode.errors import EmptyFile, NotAudio, UnsupportedContainer
from services.ingest.sniff import HEAD_BYTES, Container, Sniffed, sniff, sniff_file
from shared.errors import RejectedInput
from tests.support.audio import KINDS, chunk, fmt, id3, riff, tone, write

_CONTAINERS = {"wav": "wav", "flac": "flac", "mp3": "mp3", "vorbis": "ogg", "opus": "ogg", "m4a": "mp4"}


def _sniff_file(content: bytes) -> Sniffed:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        return sniff_file(file)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("sniff")
    return {kind: write(folder / kind, tone(0.5, 48_000), 48_000, kind).read_bytes() for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_each_container_is_known_by_its_content(files, kind):
    assert sniff(files[kind][:HEAD_BYTES]) == _CONTAINERS[kind]
    assert _sniff_file(files[kind]).start == 0


@pytest.mark.parametrize("magic", [b"RIFF", b"RF64", b"BW64"])
def test_the_three_spellings_of_wav_are_wav(magic):
    assert sniff(riff(fmt(), chunk(b"data", b""), magic=magic)) is Container.WAV


@pytest.mark.parametrize("kind", ["mp3", "flac"])
@pytest.mark.parametrize("n_bytes", [0, 10, HEAD_BYTES - 10, HEAD_BYTES, 300_000])
def test_an_id3_tag_of_any_length_is_skipped(files, kind, n_bytes):
    sniffed = _sniff_file(id3(n_bytes) + files[kind])
    assert (sniffed.container, sniffed.start) == (kind, 10 + n_bytes)


def test_two_tags_and_padding_are_skipped(files):
    assert _sniff_file(id3(50) + id3(9000) + bytes(5000) + files["mp3"]).start == 60 + 9010 + 5000


def test_a_head_that_is_all_tag_is_taken_for_mp3():
    assert sniff(id3(100_000)[:HEAD_BYTES]) is Container.MP3


def test_a_tag_with_nothing_behind_it_is_no_audio():
    with pytest.raises(NotAudio, match="ID3"):
        _sniff_file(id3(5000))


def test_an_empty_file_is_called_empty():
    with pytest.raises(EmptyFile):
        sniff(b"")


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.wav", b"x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "PNG"),
        (_zip(), "zip"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\xff\xd8\xff\xe0" + bytes(40), "JPEG"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "WebP"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(12), "HEIF"),
        (b"#EXTM3U\nhttp://example.org/a.mp3\n", "playlist"),
        (b"[playlist]\nFile1=/etc/passwd\n", "playlist"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "list of files"),
        (b"#!/bin/sh\necho hello\n", "script"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        ("Straßenbahn – ein Text\n".encode() * 300, "text"),
        ("UTF-16 text".encode("utf-16"), "text"),
        (bytes(4096), "zero bytes"),
        (b"\x12\x34\x56\x78\x9a\xbc\xde\xf0" * 9, "no known kind"),
    ],
)
def test_what_is_not_audio_is_refused_by_its_looks(head, name):
    with pytest.raises(NotAudio, match=name):
        sniff(head)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"FORM\x00\x00\x00\x00AIFFCOMM", "AIFF"),
        (b"\x1a\x45\xdf\xa3" + bytes(30), "WebM"),
        (b"\xff\xf1\x50\x80" + bytes(30), "AAC"),
        (b"#!AMR\n", "AMR"),
        (b"riff\x2e\x91\xcf\x11" + bytes(30), "Wave64"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "AVI"),
    ],
)
def test_audio_of_other_kinds_is_refused_as_a_container(head, name):
    with pytest.raises(UnsupportedContainer, match=name):
        sniff(head)


def test_one_chance_sync_word_makes_no_mp3():
    with pytest.raises(NotAudio):
        sniff(b"\xff\xfb\x90\x00" + b"\x41\x00\x9c\xf3" * 500)


@given(st.binary(max_size=600))
def test_any_bytes_are_named_or_refused(head):
    named: list[str] = []
    for look in (lambda: sniff(head), lambda: _sniff_file(head).container):
        try:
            named.append(look().value)
        except RejectedInput as refusal:
            named.append(refusal.code)
    assert set(named) <= {*Container, "empty_file", "not_audio", "unsupported_container"}
