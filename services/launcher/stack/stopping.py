"""Stop one stack, however much of it still runs, and remove what it leaves outside its data directory."""

from services.launcher.stack import family
from services.launcher.stack.layout import Layout
from services.launcher.stack.servers import seaweedfs
from services.launcher.stack.state import Keepsake


def stop(layout: Layout) -> bool:
    """End every process of this data directory in good order; False if there was none. Raises StackError."""
    had_any = family.end_all(layout)
    layout.remove_sockets()
    if kept := Keepsake.read(layout):
        seaweedfs.remove_sockets(kept.ports)
    return had_any
