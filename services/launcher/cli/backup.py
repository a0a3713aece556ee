"""`earmark backup` and `earmark restore`: a stack's data in a folder of its own, and a stack made of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.launcher.cli.discovery import local_stack
from services.launcher.cli.options import AsJson, DataDir
from services.launcher.cli.output import print_document, say, show_fields, tell
from services.launcher.cli.stack import stack_code
from shared.wording import counted

if TYPE_CHECKING:
    from services.launcher.stack.backup_folder import Manifest

Destination = Annotated[Path, typer.Argument(metavar="DEST", help="A folder that is not there yet.")]
Source = Annotated[Path, typer.Argument(metavar="SRC", help="A backup.", exists=True, file_okay=False)]


def backup(
    destination: Destination,
    *,
    data_dir: DataDir = None,
    since: Annotated[
        Path | None,
        typer.Option(help="An older backup: equal objects are shared with it.", metavar="OLDER", file_okay=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Back up everything of a stack, while it works or stopped: database, files, what was made of them, keys.

    A backup that was interrupted goes on when it is started again. It holds voices, and is for your eyes alone.
    """
    stack_code()
    from services.launcher.stack.backup import back_up

    if data_dir is None and (found := local_stack()):
        data_dir = found.data_dir
    manifest = back_up(destination, data_dir, since=since, tell=tell)
    _show(manifest, destination, as_json=as_json)
    if manifest.missing:
        lost = counted(len(manifest.missing), "object")
        tell(f"{lost} that rows rely on: not in the store. They are named in {destination / 'manifest.json'}.")


def restore(
    source: Source,
    *,
    data_dir: DataDir = None,
    tombstones: Annotated[
        Path | None,
        typer.Option(help="Who was erased since: they do not come back.", metavar="FILE", exists=True, dir_okay=False),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only look whether the backup is whole.", show_default=False)
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a stack of a backup, in a data directory that is empty or not there yet; start it with `earmark up`.

    What was waiting or under way when the backup was taken goes on then.
    """
    stack_code()
    from services.launcher.stack.backup_folder import BackupFolder
    from services.launcher.stack.restore import restore as restore_backup

    if check:
        _show(BackupFolder(source).verify(), source, as_json=as_json)
        return
    restored = restore_backup(source, data_dir, erased=tombstones, tell=tell)
    document = {
        "data_dir": str(restored.data_dir),
        "taken_at": restored.manifest.taken_at.isoformat(),
        "schema_revision": restored.schema_revision,
        "new_tombstones": restored.n_tombstones,
        "receipt_id": str(restored.receipt_id) if restored.receipt_id else None,
        "tokens": restored.tokens,
    }
    if as_json:
        print_document(document)
        return
    show_fields(document, as_json=False)
    if restored.tokens:
        tell("These tokens are valid, also those that were revoked after the backup: see `earmark tokens revoke`.")
    say(f"\nStart it: earmark up --data-dir {restored.data_dir}")


def _show(manifest: "Manifest", path: Path, *, as_json: bool) -> None:
    if as_json:
        print_document({"backup": str(path), **manifest.model_dump(mode="json")})
        return
    buckets = {f"{one.name} objects": f"{one.n_objects:,} ({one.n_bytes:,} bytes)" for one in manifest.buckets}
    rows = {name: manifest.tables.get(name, 0) for name in ("recording", "segment", "label", "embedding")}
    head = {"backup": str(path), "taken_at": manifest.taken_at.isoformat(), "schema": manifest.schema_revision}
    show_fields({**head, **rows, **buckets}, as_json=False)
