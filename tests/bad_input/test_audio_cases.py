"""Each bad or odd file of the catalogue ends as it must, and leaves nothing behind."""

import pytest

from services.ingest.decode.errors import error_of
from services.ingest.decode.limits import DecodeLimits
from tests.bad_input.builders import SECRET, encoded
from tests.bad_input.cases import ABOUT_OTHERS, CASES, Case
from tests.bad_input.scale import TRIED
from tests.bad_input.trying import RECORDING, decoded, names_in
from tests.bad_input.watching import OpenWatch
from tests.support import audio


def test_no_two_cases_have_one_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", TRIED, ids=lambda case: case.name)
def test_a_file_ends_as_the_catalogue_says(case: Case, decoders, tmp_path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    case.build(source)
    before = names_in(tmp_path)

    tried = decoded(decoders(case.limits), source, target)

    assert tried.code == case.expected, tried.detail
    assert tried.cpu_s < case.most_cpu_s
    assert tried.peak_mib is None or tried.peak_mib < case.most_mib
    assert names_in(tmp_path) - before <= ({"target"} if tried.code == RECORDING else set())
    if tried.facts is None:
        assert error_of(tried.code, tried.detail).sentence()
    else:
        assert case.duration_s is None or tried.facts.duration_s == pytest.approx(case.duration_s, abs=1e-4)
        assert case.note in {"", *tried.facts.notes}


@pytest.mark.parametrize("case", ABOUT_OTHERS, ids=lambda case: case.name)
def test_a_file_that_names_another_one_does_not_get_it_opened(case: Case, decoders, tmp_path) -> None:
    case.build(tmp_path / "source")
    secret = tmp_path / SECRET
    secret.touch()
    with OpenWatch(secret) as watch:
        decoded(decoders(case.limits), tmp_path / "source", tmp_path / "target")
        assert not watch.opened()


def test_what_lies_beside_a_file_is_not_taken_for_its_other_half(decoders, tmp_path) -> None:
    source, beside = tmp_path / "source", tmp_path / "._source"
    beside.write_bytes(bytes(300))
    encoded("mp3")(source)
    source.write_bytes(audio.id3(100) + bytes(5_000) + source.read_bytes())  # which libsndfile knows for no MP3
    with OpenWatch(beside) as watch:
        assert decoded(decoders(DecodeLimits()), source, tmp_path / "target").code == RECORDING
        assert not watch.opened()


def test_the_watch_sees_who_opens_a_file(decoders, tmp_path) -> None:
    CASES[0].build(tmp_path / "source")
    with OpenWatch(tmp_path / "source") as watch:
        decoded(decoders(CASES[0].limits), tmp_path / "source", tmp_path / "target")
        assert watch.opened()
