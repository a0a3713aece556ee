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
    """The database stays as it was. If it was made by a newer Earmark, install that version again."""

    code = "migration_failed"
