"""Which clusters have a name, and which are contested: pure, from words and memberships."""

from uuid import UUID

from services.clusterer.spreading import Membership, Voice, contested, names_of_clusters, voices_of_clusters
from shared.storage.words import Said

ADA, BEA = UUID(int=1), UUID(int=2)
OWN, OTHER = UUID(int=10), UUID(int=11)
SEGMENTS = [UUID(int=n) for n in range(20, 25)]
MEMBERSHIP = {s: Membership(OWN, 1.0) for s in SEGMENTS[:3]} | {SEGMENTS[3]: Membership(OTHER, 1.0)}


def word(speaker_id: UUID, label: int) -> Said:
    return Said(speaker_id, "human", UUID(int=label))


def test_the_one_voice_that_people_named_gives_its_last_word_as_the_reason() -> None:
    said = {SEGMENTS[0]: word(ADA, 102), SEGMENTS[1]: word(ADA, 101)}
    voices = voices_of_clusters(MEMBERSHIP, said)
    assert voices == {OWN: (Voice(said[SEGMENTS[0]], (SEGMENTS[0], SEGMENTS[1])),)}
    assert names_of_clusters(voices, {}) == {OWN: said[SEGMENTS[0]]}
    assert contested(voices, {}) == {}


def test_a_cluster_of_two_named_voices_has_no_name_and_is_contested() -> None:
    said = {SEGMENTS[0]: word(BEA, 101), SEGMENTS[1]: word(ADA, 102), SEGMENTS[3]: word(ADA, 103)}
    voices = voices_of_clusters(MEMBERSHIP, said)
    assert names_of_clusters(voices, {}) == {OTHER: said[SEGMENTS[3]]}
    assert [voice.last.speaker_id for voice in contested(voices, {})[OWN]] == [ADA, BEA]


def test_a_word_on_the_cluster_ends_the_contest() -> None:
    said = {SEGMENTS[0]: word(ADA, 101), SEGMENTS[1]: word(BEA, 102)}
    as_such = {OWN: Said(BEA, "cluster", UUID(int=103))}
    voices = voices_of_clusters(MEMBERSHIP, said)
    assert names_of_clusters(voices, as_such) == as_such
    assert contested(voices, as_such) == {}


def test_who_is_in_no_cluster_speaks_for_none() -> None:
    assert voices_of_clusters(MEMBERSHIP, {SEGMENTS[4]: word(ADA, 101)}) == {}
