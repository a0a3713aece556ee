"""What people write without a ledger: one Celery task a file, which fetches, embeds and writes. For control runs."""

import io
import os

import psycopg
import soundfile
from celery import Celery

from shared.encoders import registry
from shared.encoders.protocol import EncoderOptions
from shared.settings import S3Settings
from shared.storage.objects import ObjectStore

QUEUE = "plain"
app = Celery("plain", broker=os.environ.get("EARMARK_REDIS__URL"), set_as_current=False)
app.conf.update(task_ignore_result=True, task_default_queue=QUEUE)


@app.task(name="plain.embed")
def embed(key: str) -> None:
    """A vector of one object of the audio bucket."""
    settings = S3Settings(
        endpoint=os.environ["EARMARK_S3__ENDPOINT"],
        access_key=os.environ["EARMARK_S3__ACCESS_KEY"],
        secret_key=os.environ["EARMARK_S3__SECRET_KEY"],
    )
    response = ObjectStore(settings)._client.get_object("audio", key)
    samples, _ = soundfile.read(io.BytesIO(response.read()), dtype="float32")
    (vector,) = registry.build("spectral", EncoderOptions()).embed([samples])
    with psycopg.connect(os.environ["EARMARK_DATABASE__URL"]) as connection:
        connection.execute("INSERT INTO plain.vector VALUES (%s, %s)", (key, vector.tolist()))
