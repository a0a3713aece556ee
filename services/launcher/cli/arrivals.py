"""Stay until a sample can be drawn, or until what was drawn is cut: both with a bar, and not for what was given up."""

from collections.abc import Callable

from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.failure import Failure
from services.launcher.cli.progress import CountBar
from services.launcher.cli.troubles import Quiet, given_up, over, work_of
from services.launcher.cli.waiting import PATIENCE_S, rounds


def until_registered(api: Client, collection: str, wanted: Document, timeout_s: float) -> None:
    """Until no file that might be drawn is still arriving; `wanted` as for a subset.

    Raises Failure `timeout`, or the fault because of which the rest never comes.
    """
    path = api_path("collections", collection, "arriving")
    conditions = {"where": wanted.get("where"), "exclude": wanted.get("exclude")}

    def left(bar: CountBar) -> int:
        answer = api.get(path, conditions, patience_s=PATIENCE_S)
        bar.at(answer["files"] - answer["arriving"], answer["files"])
        return int(answer["arriving"])

    # What is named by its attributes alone has no work yet, and comes when somebody puts it.
    _until_none(api, collection, left, given_up, f"{collection}: files registered", timeout_s)


def until_cut(api: Client, collection: str, subset: str, timeout_s: float) -> Document:
    """Until every recording of a subset is cut into segments; the subset as it is then.

    A backfill leaves out what is not. Raises Failure as above.
    """
    path = api_path("collections", collection, "subsets", subset)
    found: Document = {}

    def left(bar: CountBar) -> int:
        found.update(api.get(path, patience_s=PATIENCE_S))
        bar.at(found["n_recordings"] - found["not_cut"], found["n_recordings"])
        return int(found["not_cut"])

    def ended(work: Document) -> Failure | None:
        return over(work, f"Put the files again, and they are: earmark ingest PATH... -c {collection}")

    _until_none(api, collection, left, ended, f"{collection}: recordings cut", timeout_s)
    return found


def _until_none(
    api: Client,
    collection: str,
    left: Callable[[CountBar], int],
    ended: Callable[[Document], Failure | None],
    title: str,
    timeout_s: float,
) -> None:
    quiet = Quiet()
    with CountBar(title) as bar:
        for _ in rounds(timeout_s):
            n_left = left(bar)
            if not n_left:
                return
            if quiet(n_left) and (failure := ended(work_of(api, collection))) and left(bar):
                raise failure
    raise Failure("timeout", f"{title}: {n_left} are left after {timeout_s:g} s.", "See `earmark status`.")
