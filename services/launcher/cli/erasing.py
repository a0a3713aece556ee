"""`earmark recordings erase` and `unerase`, `earmark receipts` and `earmark tombstones`: what goes for good."""

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, BinaryIO
from uuid import UUID, uuid4

import typer

from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.delivery import deliver_file
from services.launcher.cli.failure import Failure
from services.launcher.cli.options import AsJson, Collection
from services.launcher.cli.output import print_document, say, show_rows, tell
from services.launcher.cli.receipts import show_receipt
from services.launcher.cli.session import connect
from shared.wording import counted

tombstones = typer.Typer(no_args_is_help=True, help="What was erased and is kept out.")

Recordings = Annotated[list[str] | None, typer.Argument(metavar="RECORDING_ID", show_default=False)]
Key = Annotated[list[str] | None, typer.Option("--key", help="The recording under this key.", metavar="KEY")]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", help="All recordings with this attribute; again for more.", metavar="NAME=VALUE"),
]
All = Annotated[bool, typer.Option("--all", help="All recordings of the collection.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; neither does --json.", show_default=False)]
ReceiptId = Annotated[str | None, typer.Argument(metavar="RECEIPT_ID", show_default=False)]

_AT_ONCE = 100  # recordings that the API erases in one transaction
_STONES_AT_ONCE = 1000
_ERASE_S = 600.0
_PATIENCE_S = 30.0
_COLUMNS = ("receipt_id", "actor", "collections", "erased_at", "finished_at")


def erase(
    ctx: typer.Context,
    recording_ids: Recordings = None,
    *,
    collection: Collection,
    key: Key = None,
    where: Where = None,
    everything: All = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase recordings for good: their files, audio, vectors, text, labels. Their bytes are refused from then on.

    The answer is a receipt for every hundred recordings. What it could not do for all it does when it is given again:
    recordings that were erased before are left out. There is no way back but to put the files again, after `earmark
    recordings unerase`.
    """
    with connect(ctx) as api:
        if everything or where:
            if recording_ids or key or (everything and where):
                raise typer.BadParameter("--where and --all each name recordings by themselves")
            chosen = _listed(api, collection, where)
        else:
            chosen = _named(api, collection, recording_ids or [], key or [])
        before = _erased_before(api, collection) if recording_ids else set()
        doomed = [one for one in chosen if one not in before]
        if doomed and not (yes or as_json):
            typer.confirm(f"Erase {counted(len(doomed), 'recording')} of {collection} for good?", abort=True)
        receipts = []
        for receipt in _receipts(api, collection, doomed):
            receipts.append(receipt)
            if as_json:  # the document comes at the end, if it comes
                tell(f"Receipt {receipt['receipt_id']}")
            else:
                show_receipt(receipt, as_json=False)
    if n_before := len(chosen) - len(doomed):
        tell(f"{counted(n_before, 'recording')} erased before.")
    if as_json:
        print_document({"recordings": doomed, "receipts": receipts})


def _receipts(api: Client, collection: str, doomed: list[str]) -> Iterator[Document]:
    """Each as it comes. A key lets a request whose answer was lost be sent again without harm."""
    path = api_path("collections", collection, "recordings", "erase")
    for at in range(0, len(doomed), _AT_ONCE):
        body = {"recording_ids": doomed[at : at + _AT_ONCE]}
        try:
            yield api.post(path, body, timeout_s=_ERASE_S, patience_s=_PATIENCE_S, key=str(uuid4()))
        except Failure as failure:
            if failure.code == "unknown_recording":  # the API's remedy speaks of paths, which are no ids here
                raise _unknown(failure.message, collection) from failure
            raise


def _erased_before(api: Client, collection: str) -> set[str]:
    return {row["subject_id"] for row in api.rows(api_path("tombstones")) if row["collection"] == collection}


def _listed(api: Client, collection: str, where: list[str] | None) -> list[str]:
    """All of the collection; where there are conditions, those to which they apply."""
    filters: dict[str, Any] = {"where": where} if where else {}
    found = [row["recording_id"] for row in api.rows(api_path("collections", collection, "recordings"), **filters)]
    if not found:
        raise _unknown("No recording has these attributes." if where else "It has no recordings.", collection)
    return found


def _named(api: Client, collection: str, recording_ids: list[str], keys: list[str]) -> list[str]:
    """Each once."""
    if not (recording_ids or keys):
        raise typer.BadParameter("name recordings by their ids, by --key, by --where, or --all of them")
    found = [str(_checked(one)) for one in recording_ids]
    for key in keys:
        asked = {"object_keys": [key]}
        (item,) = api.post(api_path("collections", collection, "objects", "query"), asked)["items"]
        if item["recording_id"] is None:
            raise _unknown(f"No recording lies under {key!r}.", collection)
        found.append(item["recording_id"])
    return list(dict.fromkeys(found))


def _unknown(message: str, collection: str) -> Failure:
    return Failure(
        "unknown_recording", message, f"Name it by its id, see `earmark recordings -c {collection}`, or by --key."
    )


def _checked(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not the id of a recording") from None


def unerase(
    ctx: typer.Context,
    recording_ids: Annotated[list[str], typer.Argument(metavar="RECORDING_ID")],
    *,
    collection: Collection,
    as_json: AsJson = False,
) -> None:
    """Let the bytes of erased recordings in again: files that lie in the bucket come with the next sweep."""
    with connect(ctx) as api:
        paths = [api_path("collections", collection, "tombstones", str(_checked(one))) for one in recording_ids]
        show_rows([api.delete(path) for path in paths], as_json=as_json)


def receipts(ctx: typer.Context, receipt_id: ReceiptId = None, *, as_json: AsJson = False) -> None:
    """The receipts of what was erased, the newest first; or one of them, whole."""
    with connect(ctx) as api:
        if receipt_id is not None:
            show_receipt(api.get(api_path("receipts", receipt_id)), as_json=as_json)
            return
        show_rows(api.items(api_path("receipts")), _COLUMNS, as_json=as_json, none="Nothing was erased.")


@tombstones.command("list")
def listing(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """What was erased and is kept out, the oldest first."""
    with connect(ctx) as api:
        show_rows(list(api.rows(api_path("tombstones"))), as_json=as_json, none="Nothing was erased.")


@tombstones.command("export")
def export(
    ctx: typer.Context,
    to: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, resolve_path=True)],
    *,
    as_json: AsJson = False,
) -> None:
    """Write all tombstones to a file, to be kept apart from backups.

    Those that the file has already stay in it: after a restore, the database may have forgotten some.
    """
    if not to.parent.is_dir():  # perhaps misspelt: whoever looks for the file would not look there
        raise Failure("not_written", f"There is no folder {to.parent}.", "Make it, or name another place.")
    with connect(ctx) as api:
        here = {row["subject_id"]: row for row in api.rows(api_path("tombstones"))}
    had = {stone["subject_id"]: stone for portion in _portions(to) for stone in portion} if to.is_file() else {}
    kept = had | here

    def write(file: BinaryIO) -> None:
        os.fchmod(file.fileno(), 0o600)
        file.writelines(f"{json.dumps(stone)}\n".encode() for stone in kept.values())

    deliver_file(to, write)
    n_strange = len(kept) - len(here)
    if as_json:
        print_document({"file": str(to), "tombstones": len(kept), "not_known_here": n_strange})
        return
    say(f"{counted(len(kept), 'tombstone')} in {to}")
    if n_strange:
        tell(f"{n_strange} of them only in the file: lifted since, or not replayed into this database.")


@tombstones.command("replay")
def replay(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """After a restore: erase what came back with the backup, and keep it out."""
    if not source.stat().st_size:
        helps = "Name a file that `earmark tombstones export` wrote, or the `tombstones.jsonl` of a newer backup."
        raise Failure("bad_tombstones", f"{source} is empty: if nobody was erased, there is nothing to replay.", helps)
    with connect(ctx) as api:
        answers = [
            api.post(api_path("tombstones", "replay"), {"items": stones}, timeout_s=_ERASE_S)
            for stones in _portions(source)
        ]
    came_back = [answer["receipt"] for answer in answers if answer["receipt"]]
    if as_json:
        print_document({"new": sum(answer["new"] for answer in answers), "receipts": came_back})
        return
    say(f"{counted(sum(answer['new'] for answer in answers), 'tombstone')} new here.")
    for receipt in came_back:
        show_receipt(receipt, as_json=False)


def _portions(source: Path) -> Iterator[list[Document]]:
    with source.open() as lines:
        while portion := list(islice(lines, _STONES_AT_ONCE)):
            try:
                yield [_stone(line) for line in portion]
            except (ValueError, TypeError, KeyError) as error:
                why = f"{source} holds no tombstones: {error}."
                raise Failure("bad_file", why, "See: earmark tombstones export") from error


def _stone(line: str) -> Document:
    """Raises ValueError, TypeError or KeyError."""
    stone: Document = json.loads(line)
    UUID(str(stone["subject_id"]))
    return stone
