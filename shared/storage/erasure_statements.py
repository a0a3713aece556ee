"""What an erasure takes out of each table, in an order in which each row goes before what it refers to.

Parameters: `speakers`; `segments`, with those that stood earlier in erased recordings; `recordings`; `collections`,
from which segments are taken; `emptied`, from which recordings are; `objects` that held these, and their `keys`.
"""

from typing import Final

STATEMENTS: Final = {
    "vectors": """DELETE FROM embedding
        WHERE encoder_id = ANY(ARRAY(SELECT encoder_id FROM encoder)) AND segment_id = ANY(:segments)""",
    # Nobody can tell of which recordings an import's files were: it may have found their names standing, and said none.
    "lists of files in imports": """UPDATE label SET detail = detail || '{"files": []}'
        WHERE operation = 'import' AND jsonb_array_length(detail->'files') > 0
          AND (collection = ANY(:collections) OR collection = ANY(:emptied)
               OR label_id IN (SELECT label_id FROM word WHERE speaker_id = ANY(:speakers)))""",
    "words": "DELETE FROM word WHERE segment_id = ANY(:segments) OR speaker_id = ANY(:speakers)",
    "changes of names": """DELETE FROM label_effect
        WHERE segment_id = ANY(:segments) OR speaker_id = ANY(:speakers)""",
    "log entries without a name from now on": """
        UPDATE label SET speaker_id = NULL, other_speaker_id = NULL, segment_id = NULL, detail = '{"erased": true}'
        WHERE speaker_id = ANY(:speakers) OR other_speaker_id = ANY(:speakers) OR segment_id = ANY(:segments)
           OR operation = 'divide' AND collection = ANY(:collections)
              AND detail->'parts' ?| CAST(CAST(:segments AS uuid[]) AS text[])""",
    "names": "DELETE FROM assignment WHERE speaker_id = ANY(:speakers) OR segment_id = ANY(:segments)",
    "suggestions": """DELETE FROM suggestion WHERE speaker_id = ANY(:speakers) OR segment_id = ANY(:segments)""",
    # Those of a collection that a recording goes from hold everybody's voice who spoke in it: all are made anew.
    "centroids": "DELETE FROM centroid WHERE speaker_id = ANY(:speakers) OR collection = ANY(:emptied)",
    "cluster memberships": "DELETE FROM cluster_member WHERE segment_id = ANY(:segments)",
    "memberships before the last clustering": """UPDATE cluster_before b SET
        (segment_ids, probabilities) = (
            SELECT coalesce(array_agg(m.id ORDER BY m.n), '{}'), coalesce(array_agg(m.probability ORDER BY m.n), '{}')
            FROM unnest(b.segment_ids, b.probabilities) WITH ORDINALITY AS m(id, probability, n)
            WHERE m.id <> ALL(:segments)),
        exemplar_segment_id = CASE WHEN b.exemplar_segment_id = ANY(:segments)
            THEN '00000000-0000-0000-0000-000000000000' ELSE b.exemplar_segment_id END,
        trust = b.trust || jsonb_build_object('exemplars', (
            SELECT coalesce(jsonb_agg(e.id), '[]') FROM jsonb_array_elements_text(b.trust->'exemplars') AS e(id)
            WHERE CAST(e.id AS uuid) <> ALL(:segments)))
        WHERE b.segment_ids && CAST(:segments AS uuid[])""",
    # All three hold names in words.
    "questions": "DELETE FROM question WHERE collection = ANY(:collections)",
    "reviews": """DELETE FROM review WHERE collection = ANY(:collections) OR asked->>'speaker' = ANY(ARRAY(
        SELECT name FROM speaker WHERE speaker_id = ANY(:speakers)))""",
    "comparisons of encoders": "DELETE FROM comparison WHERE collection = ANY(:collections)",
    # All hold means of voices: the next clustering begins without them, and scores are learned anew.
    "calibrations": "DELETE FROM calibration WHERE collection = ANY(:collections)",
    "calibrations before the last clustering": "DELETE FROM calibration_before WHERE collection = ANY(:collections)",
    "centroids before the last clustering": """DELETE FROM centroid_before
        WHERE speaker_id = ANY(:speakers) OR collection = ANY(:collections)""",
    "states of clusterings": "DELETE FROM clustering_state WHERE collection = ANY(:collections)",
    "lines in archives' lists": """DELETE FROM archive_member m USING archive a
        WHERE a.archive_id = m.archive_id AND a.collection = ANY(:emptied) AND m.key = ANY(:keys)""",
    "attributes of files": """DELETE FROM object_attributes a USING stored_object o
        WHERE o.object_id = ANY(:objects) AND a.collection = o.collection AND a.key = o.key""",
    "places in subsets": "DELETE FROM subset_member WHERE recording_id = ANY(:recordings)",
    "segments": "DELETE FROM segment WHERE segment_id = ANY(:segments)",
    "recordings": "DELETE FROM recording WHERE recording_id = ANY(:recordings)",
    "speakers": "DELETE FROM speaker WHERE speaker_id = ANY(:speakers)",
}
"""By what the receipt calls it. Rows that refer to segments and recordings otherwise go with those."""
