"""Serve the API and the page until SIGTERM: `python -m services.console.main`."""

import signal
import sys
from types import FrameType

import uvicorn

from services.console.app import create_app
from services.console.bootstrap import build
from services.console.stream import Hub
from shared.ledger.scratch import sweep_folders
from shared.settings import Settings
from shared.telemetry import configure_logging

GRACE_S = 10


class _Server(uvicorn.Server):
    """uvicorn waits for open connections before it ends; event streams must hear of the end to close theirs."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._hub.close()
        super().handle_exit(sig, frame)


def main() -> int:
    """Exit status: 0 after SIGTERM, 1 when the port is taken."""
    settings = Settings()
    configure_logging(settings.log_level, json=settings.log_json)
    sweep_folders()  # a console that was killed has left audio behind
    console = build(settings)
    config = uvicorn.Config(
        create_app(console),
        host=settings.console.host,
        port=settings.console.port,
        access_log=False,  # it would write the page's token down; SafeHeaders logs without it
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(config, console.hub)
    # uvicorn raises the signal once more when it has shut down, for whoever was there before it: that is this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
