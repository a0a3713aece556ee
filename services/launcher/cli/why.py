"""The chain of reasons behind a name, in sentences."""

from collections.abc import Iterator

from services.launcher.cli.client import Document
from shared.wording import counted, percent


def told(why: Document) -> Iterator[str]:
    """One sentence a step, from the name down to what a person said."""
    speaker, by = why["speaker"], why["assigned_by"]
    if speaker is None:
        yield f"Segment {why['segment_id']} belongs to nobody yet."
        if why["suggestion"]:
            sure = percent(why["suggestion_probability"])
            yield f"It may be {why['suggestion']}: {sure}, too little to say so unasked."
    else:
        yield f"Segment {why['segment_id']} is {speaker}{_how(why)}{_sure(why['confidence'], by)}."
    if cluster := why["cluster"]:
        yield (
            f"It lies in cluster {cluster['cluster_id']} of {counted(cluster['segments'], 'segment')}, "
            f"cohesion {cluster['cohesion']:.2f}, membership {percent(cluster['probability'])}."
        )
        if len(cluster["named"]) > 1:
            voices = ", ".join(f"{voice['speaker']} ({voice['segments']})" for voice in cluster["named"])
            yield f"People named several speakers in it, in so many segments: {voices}."
    if because := why["because"]:
        yield _word(because, "Because ")
    if enrolment := why["enrolment"]:
        known_from = counted(enrolment["segments"], "labelled segment")
        yield f"{speaker}'s voice is known from {known_from}. The latest words on it:"
        yield from (_word(word, "  ") for word in enrolment["words"])
    if why["rejected"]:
        yield f"A person said that it is not {' and not '.join(why['rejected'])}."


def _how(why: Document) -> str:
    cluster, because = why["cluster"], why["because"]
    of_several = cluster and len(cluster["named"]) > 1 and because and because["cluster_id"] is None
    return {
        "human": ", for a person said so",
        "import": ", for an imported file says so",
        "cluster": ", for it is nearest to them of its cluster's voices" if of_several else ", as its cluster is",
        "identification": ", for it sounds like them",
    }.get(why["assigned_by"], "")


def _sure(confidence: float | None, assigned_by: str) -> str:
    by_rule = assigned_by in {"cluster", "identification"}
    return f" ({percent(confidence)})" if by_rule and confidence is not None else ""


def _word(word: Document, lead: str) -> str:
    what = {"import": "imported a file", "merge": "merged speakers", "split": "split a speaker"}.get(word["operation"])
    if what is None:
        target = f"cluster {word['cluster_id']}" if word["cluster_id"] else f"segment {word['segment_id']}"
        what = f"named {target} {word['speaker']}"
    return f"{lead}{word['actor']} {what} at {word['said_at']} (label {word['label_id']})."
