"""The decoding child: one JSON request a line on stdin, one JSON answer a line on stdout.

    {"source": "/tmp/a.m4a", "target": "/tmp/a.flac", "rate_hz": 16000, "limits": {...}}
    {"facts": {...}}   or   {"error": "truncated", "detail": "..."}

Started by `process.ChildProcess` as `python -m services.ingest.decode.child PARENT_PID MEMORY_BYTES FILE_BYTES`.
"""

import json
import os
import sys
from pathlib import Path
from typing import BinaryIO

from services.ingest.decode.confine import isolate, limit_resources
from services.ingest.decode.errors import DecodeMemory, DecoderCrashed, DecoderUnavailable
from services.ingest.decode.limits import DecodeLimits
from services.ingest.decode.seccomp import deny_calls
from shared.errors import RejectedInput


def main(parent_pid: int, memory_bytes: int, file_bytes: int) -> None:
    """Confine this process, say so, then answer requests until stdin closes."""
    network_gone = isolate(parent_pid)
    import services.ingest.decode.decoding  # noqa: F401  # numpy, libsndfile and soxr: before memory is capped

    answers = _take_over_stdout()
    limit_resources(memory_bytes, file_bytes)
    network_gone = deny_calls() or network_gone
    _send(answers, {"ready": True, "network": not network_gone})
    for line in sys.stdin.buffer:
        _send(answers, answer(line))


def answer(line: bytes) -> dict[str, object]:
    """Decode the file that a request names; whatever goes wrong becomes an answer."""
    from services.ingest.decode.decoding import decode_file

    request = json.loads(line)
    source, target = Path(request["source"]), Path(request["target"])
    try:
        limits = DecodeLimits(**request["limits"])
        return {"facts": decode_file(source, target, limits, request["rate_hz"]).as_json()}
    except RejectedInput as error:
        return {"error": error.code, "detail": error.detail}
    except MemoryError:
        return {"error": DecodeMemory.code, "detail": ""}
    except (OSError, ImportError) as error:
        return {"error": DecoderUnavailable.code, "detail": f"{type(error).__name__}: {error}"}
    except Exception as error:  # noqa: BLE001  # a bug of ours or of a library: the parent reports it
        return {"error": DecoderCrashed.code, "detail": f"{type(error).__name__}: {error}"}


def _take_over_stdout() -> BinaryIO:
    """Keep stdout for answers alone: decoders print warnings to whatever is numbered 1 and 2."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    return answers


def _send(answers: BinaryIO, message: dict[str, object]) -> None:
    answers.write(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
