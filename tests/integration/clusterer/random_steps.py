"""What people may do, drawn at random."""

from hypothesis import strategies as st

from tests.integration.clusterer.histories import (
    CLUSTERS,
    N_SEGMENTS,
    NAMES,
    Import,
    Merge,
    Name,
    NameCluster,
    Recluster,
    Reject,
    Step,
    Undo,
)

speakers = st.sampled_from(NAMES)
numbers = st.integers(0, N_SEGMENTS - 1)
*one_voice, other_voice = CLUSTERS[2]
said: st.SearchStrategy[Step] = st.one_of(
    st.builds(Name, st.lists(numbers, min_size=1, max_size=3, unique=True).map(tuple), speakers),
    st.builds(NameCluster, st.integers(0, len(CLUSTERS) - 1), speakers),
    st.builds(Reject, numbers, speakers),
    st.builds(
        Import,
        st.lists(st.tuples(numbers, speakers), min_size=1, max_size=4, unique_by=lambda word: word[0]).map(tuple),
    ),
    # Two are named in the cluster of two voices; test_contests counts how often members follow one of them.
    st.builds(
        lambda number, who: Import(((number, who[0]), (other_voice, who[1]))),
        st.sampled_from(one_voice),
        st.permutations(NAMES),
    ),
    st.builds(Merge, speakers, speakers).filter(lambda merge: merge.stays != merge.goes),
)
steps = st.lists(st.one_of(said, st.builds(Undo, st.integers(0, 7))), min_size=1, max_size=8)


# After a clustering: a word on a cluster would be on another one than without the clustering.
said_of_anybody = st.lists(
    st.one_of(said.filter(lambda step: not isinstance(step, NameCluster)), st.builds(Undo, st.integers(0, 7))),
    max_size=4,
)


# Clusters follow from what was said until then, and are not taken back with it.
steps_and_clusterings = st.lists(
    st.one_of(said, st.builds(Undo, st.integers(0, 7)), st.builds(Recluster)), min_size=1, max_size=8
)
