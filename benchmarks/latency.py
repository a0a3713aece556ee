"""How long from a PUT to the committed vector, on an idle stack: figures, no ratio (a plain script has no PUT)."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from statistics import median
from time import monotonic, sleep

import numpy as np
import psycopg
import soundfile
from minio import Minio

from benchmarks.report import Comparison
from benchmarks.servers import running

N_FILES, LENGTH_S = 20, 10
CONVERSATION = Path(__file__).parent.parent / "demo" / "audio" / "orchard.flac"


def run() -> Iterator[Comparison]:
    took = []
    with running(None) as (state, _), psycopg.connect(state.database_url, autocommit=True) as connection:
        address = state.s3_endpoint.removeprefix("http://")
        access = {"access_key": state.s3_access_key, "secret_key": state.s3_secret_key}
        client = Minio(address, **access, secure=False, region="us-east-1")
        for number in range(-2, N_FILES):  # the first two load the models
            body = _speech(number)
            began = monotonic()
            client.put_object("audio", f"latency/{number}.flac", BytesIO(body), len(body))
            query = """SELECT count(*) FROM recording r JOIN stored_object o USING (recording_id)
                       WHERE o.key = %s AND r.state = 'ready'"""
            while not connection.execute(query, (f"latency/{number}.flac",)).fetchone()[0]:
                sleep(0.005)
            if number >= 0:
                took.append(monotonic() - began)
            sleep(1)  # idle again
    print(f"PUT to vector of a {LENGTH_S} s file, idle stack, {N_FILES} files: median {median(took):.3f} s, ", end="")
    print(f"worst {max(took):.3f} s")
    yield from ()


def _speech(number: int) -> bytes:
    """Ten seconds of a demo conversation, other ones for each number."""
    samples, rate_hz = soundfile.read(CONVERSATION, dtype="float32")
    start = (number + 2) * rate_hz // 4
    buffer = BytesIO()
    soundfile.write(buffer, np.roll(samples, -start)[: LENGTH_S * rate_hz], rate_hz, format="FLAC")
    return buffer.getvalue()
