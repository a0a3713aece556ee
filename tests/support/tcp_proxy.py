"""A TCP proxy that does to connections what networks do."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Trouble = Literal["none", "half-open", "reset", "latency", "throttle"]

LATENCY_S = 0.2
THROTTLED_BYTES_PER_S = 20_000
_BLOCK = 64 * 1024


class TcpProxy:
    """Between clients and one server on loopback. Set `trouble` at any time, from any thread.

    `half-open`: whatever is sent vanishes, on standing and on new connections; at the end of it the standing ones are
    reset, as by a peer that knows nothing of them. `reset`: every connection is reset, new ones at once. `latency`:
    each piece waits 0.2 s. `throttle`: 20 kB/s for each direction of each connection.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._trouble: Trouble = "none"
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    @contextmanager
    def troubled(self, trouble: Trouble) -> Iterator[None]:
        """Trouble within the block, healed after it."""
        self._call(self._set(trouble))
        try:
            yield
        finally:
            self._call(self._set("none"))

    def close(self) -> None:
        """Reset what stands and listen no more."""
        self._call(self._set("reset"))
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work):  # whatever the coroutine returns
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _set(self, trouble: Trouble) -> None:
        if trouble == "reset" or self._trouble == "half-open":
            for writer in list(self._writers):
                _reset(writer)
        self._trouble = trouble

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self._trouble == "reset":
            _reset(to_client)
            return
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            _reset(to_client)
            return
        self._writers |= {to_client, to_server}
        ways = [self._pump(from_client, to_server), self._pump(from_server, to_client)]
        try:
            await asyncio.gather(*ways)
        finally:
            self._writers -= {to_client, to_server}
            for writer in (to_client, to_server):
                writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_BLOCK):
                if self._trouble == "half-open":
                    continue
                if self._trouble == "latency":
                    await asyncio.sleep(LATENCY_S)
                elif self._trouble == "throttle":
                    await asyncio.sleep(len(data) / THROTTLED_BYTES_PER_S)
                writer.write(data)
                await writer.drain()
        with suppress(OSError):
            writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with RST, not with FIN."""
    end = writer.get_extra_info("socket")
    if end is not None:
        with suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
