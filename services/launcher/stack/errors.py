"""What can keep a stack from starting; the docstring of each is what helps."""

from shared.errors import EarmarkError


class StackError(EarmarkError):
    """Run `earmark doctor` and look into the logs under the data directory."""

    code = "stack_failed"


class AlreadyRunning(StackError):
    """Use it as it is (`earmark status`), stop it first (`earmark down`), or name another `--data-dir`."""

    code = "already_running"


class NotReady(StackError):
    """Mend what the last lines of its log name, then start again; `earmark doctor` looks for the usual causes."""

    code = "not_ready"


class NotRunning(StackError):
    """Start it first: `earmark up`."""

    code = "not_running"


class MissingPackage(StackError):
    """Install the servers and services of one machine: `pip install 'earmark[local]'`."""

    code = "missing_package"


class Unreachable(StackError):
    """Postgres refuses to run as root, so its own user must be able to enter the data directory and each folder above
    it: `chmod o+x` the folder named, or pass a `--data-dir` outside of private folders, such as /var/lib/earmark.
    """

    code = "unreachable_data_dir"


class UnusableDataDir(StackError):
    """Name a data directory of its own that you may write to, whose path has no percent sign, line break, ` ;` or ` #`
    in it.
    """

    code = "unusable_data_dir"


class UnknownService(StackError):
    """Name some of the services that `earmark status` lists."""

    code = "unknown_service"


class MigrationFailed(StackError):
    """The database stays as it was; look into what it says, mend it, and start again."""

    code = "migration_failed"


class SchemaTooNew(StackError):
    """A newer Earmark has been here: install that version, or restore a backup that this one understands."""

    code = "schema_too_new"


class HalfRestored(StackError):
    """Restore into another folder, or delete this one and restore again; the backup is as it was."""

    code = "half_restored"


class PostgresOtherMajor(StackError):
    """Go back to the Earmark that wrote it, `earmark backup DEST`, come forward again, and `earmark restore DEST` into
    a new data directory: docs/backup.md, Upgrading.
    """

    code = "postgres_other_major"


class NoStackThere(StackError):
    """Name the data directory of a stack that has been started before: `--data-dir`."""

    code = "no_stack"


class BackupExists(StackError):
    """Name a folder that is not there yet; with `--since` an older backup, of which equal objects are taken."""

    code = "backup_exists"


class OtherBucket(StackError):
    """Start the stack with the names that its buckets had (`EARMARK_S3__AUDIO_BUCKET`, `..._DERIVED_BUCKET`): else
    files that the database knows would not be in the backup.
    """

    code = "other_bucket"


class NotABackup(StackError):
    """Name the folder that `earmark backup` has made; one that ends in `.partial` was not finished: run it again."""

    code = "not_a_backup"


class DamagedBackup(StackError):
    """Use another backup: what lies in this one is not what was written."""

    code = "damaged_backup"


class DiskFull(StackError):
    """Make room, or name a place with more of it."""

    code = "no_room"


class DataDirNotEmpty(StackError):
    """Name a data directory that is empty or not there yet; nothing is ever restored over something else."""

    code = "data_dir_not_empty"


class DumpFailed(StackError):
    """Its own words say what it was; a server that is newer than pg_dump needs the pg_dump of its version."""

    code = "dump_failed"


class RestoreDiffers(StackError):
    """Do not use it: restore again into another folder, and report it if it happens again."""

    code = "restore_differs"


class BadTombstones(StackError):
    """Name a file that `earmark tombstones export` wrote, or the `tombstones.jsonl` of a newer backup."""

    code = "bad_tombstones"
