"""The child process: kept, replaced, and never the file's judge without a second trial."""

import json
import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from services.ingest.decode import child
from services.ingest.decode.errors import (
    DecodeMemory,
    DecoderCrashed,
    DecoderUnavailable,
    DecodeTimeout,
    Truncated,
    error_of,
)
from services.ingest.decode.facts import DecodedFacts
from services.ingest.decode.limits import DecodeLimits
from services.ingest.decode.sandbox import Decoder
from shared.settings import IngestSettings
from shared.units import MIB
from tests.support.audio import chunk, fmt, riff


@pytest.fixture
def long_clip(tmp_path) -> Path:
    """Seconds of work for a decoder: ten minutes at 192 kHz, as a file with a hole for its silence."""
    path = tmp_path / "long"
    n_bytes = 600 * 192_000 * 2
    path.write_bytes(riff(fmt(rate_hz=192_000, byte_rate=384_000), chunk(b"data", b"", n_bytes)))
    os.truncate(path, 44 + n_bytes)
    return path


def _kill_when_busy(decoder: Decoder, times: int) -> threading.Thread:
    """Kill the decoder's child in the middle of its work, and the next child too, so many times."""

    def kill():
        killed = None
        for _ in range(times):
            pid = killed
            while pid in (None, killed) or _cpu_s(pid) < 0.6:
                time.sleep(0.01)
                pid = decoder.child_pid
            os.kill(pid, signal.SIGKILL)
            killed = pid

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    return thread


def _cpu_s(pid: int) -> float:
    with suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def test_one_child_serves_many_files(clip, tmp_path):
    with Decoder(DecodeLimits()) as decoder:
        decoder.decode(clip, tmp_path / "1.flac")
        first = decoder.child_pid
        decoder.decode(clip, tmp_path / "2.flac")
        assert decoder.child_pid == first


def test_a_child_is_replaced_after_so_many_files(clip, tmp_path):
    with Decoder(DecodeLimits(files_per_child=2)) as decoder:
        pids = []
        for _ in range(4):
            decoder.decode(clip, tmp_path / "target.flac")
            pids.append(decoder.child_pid)
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_a_refused_file_does_not_cost_the_child(clip, tmp_path):
    with Decoder(DecodeLimits()) as decoder:
        decoder.decode(clip, tmp_path / "target.flac")
        first = decoder.child_pid
        os.truncate(clip, 1000)
        with pytest.raises(Truncated):
            decoder.decode(clip, tmp_path / "target.flac")
        assert decoder.child_pid == first


def test_closing_leaves_no_child_and_the_next_file_starts_another(clip, tmp_path):
    decoder = Decoder(DecodeLimits())
    decoder.decode(clip, tmp_path / "target.flac")
    first = decoder.child_pid
    decoder.close()
    assert decoder.child_pid is None
    assert not Path(f"/proc/{first}").exists()
    decoder.decode(clip, tmp_path / "target.flac")
    decoder.close()


def test_a_child_killed_while_idle_is_replaced_and_no_file_is_blamed(clip, tmp_path):
    with Decoder(DecodeLimits()) as decoder:
        decoder.decode(clip, tmp_path / "target.flac")
        os.kill(decoder.child_pid, signal.SIGKILL)
        assert decoder.decode(clip, tmp_path / "target.flac").duration_s == 0.5


def test_a_child_killed_at_work_is_replaced_and_the_file_tried_again(long_clip, tmp_path):
    with Decoder(DecodeLimits()) as decoder:
        killer = _kill_when_busy(decoder, 1)
        assert decoder.decode(long_clip, tmp_path / "target.flac").duration_s == 600
        killer.join()


def test_a_file_on_which_two_children_die_is_refused_and_leaves_no_target(long_clip, clip, tmp_path):
    with Decoder(DecodeLimits()) as decoder:
        killer = _kill_when_busy(decoder, 2)
        with pytest.raises(DecodeMemory, match="killed"):
            decoder.decode(long_clip, tmp_path / "target.flac")
        killer.join()
        assert not (tmp_path / "target.flac").exists()
        assert decoder.decode(clip, tmp_path / "target.flac").duration_s == 0.5


def test_a_file_that_takes_too_long_is_given_up_and_the_next_one_decoded(long_clip, clip, tmp_path):
    with Decoder(DecodeLimits(base_s=0.2, share=0.0)) as decoder:
        with pytest.raises(DecodeTimeout):
            decoder.decode(long_clip, tmp_path / "target.flac")
        assert not (tmp_path / "target.flac").exists()
        assert decoder.decode(clip, tmp_path / "target.flac").duration_s == 0.5


def test_a_frozen_child_is_given_up(clip, tmp_path):
    with Decoder(DecodeLimits(base_s=0.5, share=0.0)) as decoder:
        decoder.decode(clip, tmp_path / "target.flac")
        os.kill(decoder.child_pid, signal.SIGSTOP)
        with pytest.raises(DecodeTimeout):
            decoder.decode(clip, tmp_path / "target.flac")
        assert decoder.decode(clip, tmp_path / "target.flac").duration_s == 0.5


def test_a_file_that_needs_more_memory_than_allowed_is_refused(long_clip, tmp_path):
    # Python reports the lack of memory; the C libraries below it die of it
    with Decoder(DecodeLimits(memory_bytes=MIB)) as decoder, pytest.raises((DecodeMemory, DecoderCrashed)):
        decoder.decode(long_clip, tmp_path / "target.flac")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "decode_memory"),
        (OSError(28, "No space left on device"), "decoder_unavailable"),
        (ImportError("No module named 'av'"), "decoder_unavailable"),
        (ZeroDivisionError(), "decoder_crashed"),
        (Truncated("half"), "truncated"),
    ],
)
def test_whatever_goes_wrong_in_the_child_has_a_code(monkeypatch, error, code):
    def fail(*_: object):
        raise error

    monkeypatch.setattr("services.ingest.decode.decoding.decode_file", fail)
    request = {"source": "a", "target": "b", "rate_hz": 16_000, "limits": asdict(DecodeLimits())}
    assert child.answer(json.dumps(request).encode())["error"] == code


def test_threads_may_share_a_decoder(decoder, clip, tmp_path):
    durations = []

    def decode(name: int):
        durations.append(decoder.decode(clip, tmp_path / f"{name}.flac").duration_s)

    threads = [threading.Thread(target=decode, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert durations == [0.5] * 8


def test_a_target_that_cannot_be_written_is_not_the_file_s_fault(decoder, clip, tmp_path):
    with pytest.raises(DecoderUnavailable):
        decoder.decode(clip, tmp_path / "no such folder" / "target.flac")


def test_a_source_that_is_not_there_is_the_caller_s_fault(decoder, tmp_path):
    with pytest.raises(FileNotFoundError):
        decoder.decode(tmp_path / "nothing", tmp_path / "target.flac")


def test_a_child_that_cannot_start_is_not_the_file_s_fault(clip, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.executable", "/no/such/python")
    with Decoder(DecodeLimits()) as decoder, pytest.raises(DecoderUnavailable, match="did not start"):
        decoder.decode(clip, tmp_path / "target.flac")


def test_facts_survive_their_journey_and_senseless_ones_do_not():
    facts = DecodedFacts("wav", "pcm_16", 8000, 1, 16_000, 1.0, 0.5, -9.0, ("clipped",))
    assert DecodedFacts.from_json(facts.as_json()) == facts
    for wrong in ({"n_samples": "16000"}, {"notes": None}, {"peak": "loud"}, {"extra": 1}):
        with pytest.raises(ValueError, match=r".+"):
            DecodedFacts.from_json({**facts.as_json(), **wrong})


def test_an_error_of_unknown_name_counts_as_a_crash():
    assert isinstance(error_of("surprise", "x"), DecoderCrashed)


def test_limits_come_from_the_settings_and_agree_with_them_by_default():
    assert DecodeLimits.from_settings(IngestSettings()) == DecodeLimits()
    assert DecodeLimits.from_settings(IngestSettings(decoder_files=7)).files_per_child == 7


def test_the_time_allowed_grows_with_the_file_up_to_the_longest_recording():
    limits = DecodeLimits(base_s=60.0, share=0.01, max_decoded_s=3600.0)
    assert limits.time_s(0) == 60
    assert np.all(np.diff([limits.time_s(size) for size in (0, 10_000, 1_000_000, 1_800_000)]) > 0)
    assert limits.time_s(10**12) == 96
