"""What was taken back, or brought again, in sentences."""

from collections.abc import Iterator

from services.launcher.cli.client import Document
from shared.wording import counted


def told(result: Document, *, spread: bool) -> Iterator[str]:
    """What `labels undo` did; `spread`: everything that follows from it has happened."""
    undone, changed = result["undone"], result["changed"]
    yield f"{'In force again' if undone['standing'] else 'Taken back'}: {_statement(undone, result['segments'])}."
    yield f"{counted(changed, 'segment')} changed back{'.' if spread else ' so far; --wait waits for the others.'}"
    yield f"To reverse this: earmark labels undo {result['label_id']}"


def _statement(undone: Document, n_segments: int) -> str:
    who, detail, these = undone["speaker"], undone["detail"], counted(n_segments, "segment")
    of_these = f" of {these}" if n_segments else ""  # of none: they were split or erased since
    if undone["operation"] == "assign" and undone["cluster_id"]:
        return f"that cluster {undone['cluster_id']} is {who}"
    statements = {
        "assign": f"the name {who}{of_these}",
        "reject": f"that {these} {'is' if n_segments == 1 else 'are'} not {who}'s",
        "split": f"the split that gave {these} to {who}",
        "import": f"the import that named {these}",
        "merge": f"that {detail.get('goes')} and {detail.get('stays')} are one speaker",
        "rename": f"the renaming of {detail.get('from')} to {detail.get('to')}",
        "cluster": "the clustering",
        "switch": f"the switch from {detail.get('from')} to {detail.get('to')}",
    }
    return statements[undone["operation"]]
