"""Wait until a statement has spread, and say how far."""

from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.output import tell
from services.launcher.cli.progress import spinner
from services.launcher.cli.waiting import PATIENCE_S, wait_for_state
from shared.wording import counted


def follow(api: Client, recorded: Document, *, wait: bool, timeout: float) -> Document:
    """What is shown of a statement: with `wait`, after it has spread."""
    result = {"label_id": recorded["label_id"], "segments": recorded["segments"], "propagated": None}
    if wait:
        path = api_path("labels", recorded["label_id"])
        with spinner("spreading"):
            done = wait_for_state(lambda: api.get(path, patience_s=PATIENCE_S), "propagated", timeout, "Spreading")
        result |= {"segments": done["segments"], "propagated": done["propagated"]}
        if done.get("lost"):
            result["lost"] = done["lost"]
        if done.get("lost") and "undone" not in recorded:  # what is taken back takes names with it, of course
            lost = counted(done["lost"], "segment")
            tell(f"{lost} lost a name: several are named in the cluster, and none is clearly the nearest.")
    return result
