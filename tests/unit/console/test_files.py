"""RTTM lines, file names, object keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.annotations import rttm
from services.console.keys import BadObjectKey, object_key
from services.console.stems import unique_stems


def test_a_turn_is_one_line_of_ten_fields():
    line = rttm.line("standup", 1.5, 0.25, "Ada")
    assert line == "SPEAKER standup 1 1.500 0.250 <NA> <NA> Ada <NA> <NA>\n"
    assert len(line.split()) == 10


@pytest.mark.parametrize("name", ["Ada Lovelace", "Ada\tLovelace", "Ada\nLovelace", "Ada\u00a0Lovelace"])
def test_a_name_never_breaks_the_line(name):
    fields = rttm.line("a b", 0, 1, name).split()
    assert fields == ["SPEAKER", "a_b", "1", "0.000", "1.000", "<NA>", "<NA>", "Ada_Lovelace", "<NA>", "<NA>"]


def test_a_stem_is_the_name_without_extension():
    assert unique_stems(["c/x/a.wav", "c/b.tar.gz"]) == {"c/x/a.wav": "a", "c/b.tar.gz": "b.tar"}


def test_clashing_stems_get_their_folders():
    keys = ["c/x/1/a.wav", "c/y/1/a.wav", "c/y/b.wav"]
    assert unique_stems(keys) == {"c/x/1/a.wav": "x__1__a", "c/y/1/a.wav": "y__1__a", "c/y/b.wav": "b"}


def test_names_that_differ_in_case_alone_clash():
    assert unique_stems(["c/x/A.wav", "c/y/a.wav"]) == {"c/x/A.wav": "x__A", "c/y/a.wav": "y__a"}


def test_one_folder_with_two_extensions_is_numbered():
    assert sorted(unique_stems(["c/a.wav", "c/a.flac"]).values()) == ["c__a", "c__a-2"]


@given(st.sets(st.text("ab./_ A", min_size=1, max_size=8).map(lambda path: f"c/{path}"), max_size=12))
def test_no_two_keys_share_a_stem_and_none_is_a_path(keys):
    stems = unique_stems(keys)
    assert set(stems) == keys
    assert len({stem.casefold() for stem in stems.values()}) == len(keys)
    assert all(stem and "/" not in stem and not stem.split()[1:] for stem in stems.values())


@pytest.mark.parametrize("path", ["a.wav", "a b/ü/日本.wav", "%2F..wav", "a/...", "line\nbreak.wav", "\u202egnp.wav"])
def test_a_path_is_kept_as_it_is(path):
    assert object_key("c", path) == f"c/{path}"


@pytest.mark.parametrize("path", ["", "/a", "a//b", "a/", "../a", "a/../b", "a/..", "./a", "a\x00b", "ü" * 600])
def test_a_path_that_leads_elsewhere_is_refused(path):
    with pytest.raises(BadObjectKey):
        object_key("c", path)
