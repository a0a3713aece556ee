"""`earmark encoders compare`: two encoders on a collection's own labels, as a table and a picture."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.comparison_picture import picture
from services.launcher.cli.failure import Failure
from services.launcher.cli.models import checked
from services.launcher.cli.options import WAIT_S, AsJson, Collection, Timeout
from services.launcher.cli.output import print_document, say, show_rows, tell
from services.launcher.cli.progress import spinner
from services.launcher.cli.session import connect
from services.launcher.cli.waiting import PATIENCE_S, wait_for_state
from shared.wording import counted

Names = Annotated[str, typer.Argument(metavar="ENCODER")]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Write comparison.json and comparison.svg there.", metavar="FOLDER", file_okay=False),
]
SHOWN_CHANGES = 20
_S_PER_HOUR = 3600.0
_FIGURES: dict[str, Callable[[Document], object]] = {
    "equal error rate, %": lambda one: one["eer_percent"],
    "identified right, %": lambda one: 100 * one["identification"]["right"],
    "identified wrong, %": lambda one: 100 * one["identification"]["wrong"],
    "left unnamed, %": lambda one: 100 * one["identification"]["unnamed"],
    "clusters": lambda one: one["clustering"]["clusters"],
    "ARI": lambda one: one["clustering"]["ari"],
    "purity": lambda one: one["clustering"]["purity"],
    "coverage": lambda one: one["clustering"]["coverage"],
    "computing for an hour of audio, s": lambda one: one["cost_s_per_hour"],
}


def compare(
    ctx: typer.Context,
    first: Names,
    second: Names,
    *,
    collection: Collection,
    out: Out = None,
    timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Compare two encoders on what people and imports said of a collection, and what each costs. Nothing changes."""
    with connect(ctx) as api:
        asked = api.post(api_path("collections", collection, "comparisons"), {"encoders": [first, second]})
        with spinner("comparing"):
            result = _thought_out(api, asked["comparison_id"], timeout)
        for figures in result["encoders"]:
            figures["cost_s_per_hour"] = _cost(api, figures["encoder"], timeout)
    document = {"collection": collection, **result}
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "comparison.json").write_text(json.dumps(document, ensure_ascii=False, indent=2), encoding="utf-8")
        (out / "comparison.svg").write_text(picture(document), encoding="utf-8")
    if as_json:
        print_document(document)
    else:
        _show(document)


def _thought_out(api: Client, comparison_id: str, timeout_s: float) -> Document:
    """Raises Failure `timeout`, and the comparison's own."""
    path = api_path("comparisons", comparison_id)
    done = wait_for_state(lambda: api.get(path, patience_s=PATIENCE_S), "done failed", timeout_s, "The comparison")
    result: Document = done["result"]
    if done["state"] == "failed":
        raise Failure(result["code"], result["reason"])
    return result


def _cost(api: Client, encoder: str, timeout_s: float) -> float | None:
    """Seconds of computing for an hour of audio, on the workers' machine; None if that cannot be measured there."""
    check = checked(api, encoder, timeout_s)
    if check.get("code"):
        tell(f"{encoder} cannot be measured: {check['reason']}")
        return None
    return round(_S_PER_HOUR / float(check["audio_s_per_s"]), 1)


def _show(document: Document) -> None:
    show_rows(_rows(document["encoders"]), as_json=False)
    drawn = ", drawn from all" if document["pairs_drawn"] else ""
    say(
        f"On {counted(document['labelled'], 'labelled segment')} of {counted(document['speakers'], 'speaker')}; "
        f"{document['pairs']} pairs, {document['pairs_of_one_speaker']} of them of one speaker{drawn}."
    )
    for figures in document["encoders"]:
        if figures["lacking"]:
            say(
                f"{counted(figures['lacking'], 'labelled segment')} without a vector of {figures['encoder']}, left out."
            )
            say(f"To embed: earmark backfill -c {document['collection']} --encoder {figures['encoder']} --wait")
    changes, second = document["changes"], document["encoders"][1]["encoder"]
    if document["naming"] == second:
        say(f"{second} names already.")
        return
    say(f"If {second} named in the place of {document['naming']}, {counted(len(changes), 'name')} would change:")
    show_rows(changes[:SHOWN_CHANGES], ("segment_id", "now", "then", "assigned_by"), as_json=False, none="None.")
    if len(changes) > SHOWN_CHANGES:
        tell(f"{len(changes) - SHOWN_CHANGES} more with --json.")


def _rows(encoders: list[Document]) -> list[Document]:
    """A row for each figure, a column for each encoder."""
    return [{"": label, **{one["encoder"]: figure(one) for one in encoders}} for label, figure in _FIGURES.items()]
