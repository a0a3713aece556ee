"""How long from a PUT to the committed vector, on an idle stack: figures, no ratio (a plain script has no PUT)."""

from collections.abc import Iterator
from io import BytesIO
from statistics import median
from time import monotonic, sleep

import numpy as np
import psycopg
import soundfile
from minio import Minio

from benchmarks.report import Comparison
from benchmarks.servers import running

N_FILES, LENGTH_S = 20, 10


def run() -> Iterator[Comparison]:
    took = []
    with running(None) as (state, _), psycopg.connect(state.database_url, autocommit=True) as connection:
        address = state.s3_endpoint.removeprefix("http://")
        access = {"access_key": state.s3_access_key, "secret_key": state.s3_secret_key}
        client = Minio(address, **access, secure=False, region="us-east-1")
        for number in range(-2, N_FILES):  # the first two load the models
            body = _noise(number)
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


def _noise(seed: int) -> bytes:
    """Ten seconds of modulated noise, which the default segmenter may or may not call speech."""
    rng = np.random.default_rng(abs(seed) + 100)
    samples = rng.normal(0, 0.1, LENGTH_S * 16_000).astype(np.float32)
    buffer = BytesIO()
    soundfile.write(buffer, samples, 16_000, format="FLAC")
    return buffer.getvalue()
