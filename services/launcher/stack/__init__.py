"""Start, watch and stop everything on one machine: servers from pip packages and Earmark's own processes."""

from services.launcher.stack.errors import StackError
from services.launcher.stack.layout import default_data_dir
from services.launcher.stack.lifecycle import down, foreground, running, up
from services.launcher.stack.report import ProcessReport, processes, restart_program
from services.launcher.stack.services import SERVICES
from services.launcher.stack.state import StackState

__all__ = [
    "SERVICES",
    "ProcessReport",
    "StackError",
    "StackState",
    "default_data_dir",
    "down",
    "foreground",
    "processes",
    "restart_program",
    "running",
    "up",
]
