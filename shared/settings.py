"""Every setting of every service, read once from the environment; nothing here opens or reads anything else.

The prefix is `EARMARK_`, nested by `__`: `EARMARK_LEDGER__LEASE_S=60`. Each has a default that works on one machine
and a row in docs/settings.md.
"""

from typing import Literal

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.units import GIB, MIB


class DatabaseSettings(BaseModel):
    """Postgres with pgvector."""

    url: SecretStr = SecretStr("postgresql://earmark@127.0.0.1:5432/earmark")
    pool_size: int = 4
    connect_timeout_s: int = 5


class RedisSettings(BaseModel):
    """The doorbell: Redis or Valkey, as Celery's broker."""

    url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    key_prefix: str = "earmark:"


class S3Settings(BaseModel):
    """Any S3 object store."""

    endpoint: str = "http://127.0.0.1:8333"
    public_endpoint: str | None = None  # what presigned URLs name, when clients reach the store by another address
    access_key: SecretStr = SecretStr("")
    secret_key: SecretStr = SecretStr("")
    region: str = "us-east-1"
    audio_bucket: str = "audio"
    derived_bucket: str = "derived"
    timeout_s: float = 30.0


class LedgerSettings(BaseModel):
    """How deliveries are packed, leased, retried and given up."""

    events_per_message: int = Field(64, ge=1)
    segments_per_event: int = Field(256, ge=1)
    segments_per_message: int = Field(1024, ge=1)
    audio_s_per_message: float = Field(600.0, gt=0)
    lease_s: float = Field(30.0, gt=0)
    queued_timeout_s: float = Field(60.0, gt=0)
    backoff_base_s: float = 1.0
    backoff_cap_s: float = 300.0
    attempts_before_dead: int = Field(5, ge=1)
    depth_messages: int = Field(4, ge=1)  # messages of one queue that wait in Redis at a time
    out_per_collection: int = Field(2048, ge=1)  # of one subscription: deliveries that are queued or in work
    parallelism: int = Field(2, ge=1)  # a small backlog is shared out over so many messages, to keep every worker busy
    poll_s: float = 1.0
    reconcile_s: float = 2.0
    blob_sweep_s: float = 3600.0
    blob_grace_s: float = 3600.0


class IngestSettings(BaseModel):
    """Watching the bucket, decoding, segmenting."""

    watch_host: str = "127.0.0.1"
    watch_port: int = 8444
    hint_token: SecretStr = SecretStr("")
    listen_notifications: bool = False  # MinIO only: hold a listen_bucket_notification stream open
    sweep_s: float = 15.0
    default_segmenter: str = "vad"
    max_file_bytes: int = 2 * GIB
    max_decoded_s: float = 12 * 3600.0
    max_expansion: float = 200.0
    decode_base_s: float = 60.0
    decode_share: float = 0.01  # and so much more time per second of audio
    decoder_memory_bytes: int = 1 * GIB
    decoder_files: int = 500  # after so many a child is replaced
    archive_depth: int = Field(4, ge=1)  # archives within each other, the outermost counted
    archive_members: int = Field(1_000_000, ge=1)
    archive_bytes: int = Field(1024 * GIB, ge=1)  # of all members together
    archive_expansion: float = Field(200.0, gt=0)
    archive_slice_s: float = Field(60.0, gt=0)  # of unpacking at a time
    device: str = "auto"  # of the segmenters with a model of torch: auto, cpu, cuda, cuda:1
    whisper_model: str = "small"  # OpenAI's name, a path, or OWNER/NAME@COMMIT of a model in CTranslate2's form
    pyannote_model: str = "pyannote/speaker-diarization-community-1@3533c8cf8e369892e6b79ff1bf80f7b0286a54ee"
    pyannote_exclusive: bool = False  # no overlapping turns, for text to be put to each
    fetch_threads: int = 8


class EmbedderSettings(BaseModel):
    """Which encoders run where."""

    default_encoders: tuple[str, ...] = ("ge2e",)
    device: str = "auto"  # auto, cpu, cuda, cuda:1
    batch_audio_s: float = 240.0
    cpu_threads: int = 1
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"  # of added encoders; auto: bfloat16 where it pays
    model_memory_bytes: int = 4 * GIB  # of added encoders' models, a process; the least recently used goes first
    blob_cache_bytes: int = 512 * MIB
    ecapa_model: str = "speechbrain/spkrec-ecapa-voxceleb@0f99f2d0ebe89ac095bcc5903c4dd8f72b367286"
    pyannote_model: str = "pyannote/wespeaker-voxceleb-resnet34-LM@837717ddb9ff5507820346191109dc79c958d614"


class ClustererSettings(BaseModel):
    """From which probability on a voice is taken for a named speaker's."""

    assign_probability: float = Field(0.95, gt=0, lt=1)  # named without asking
    suggest_probability: float = Field(0.5, gt=0, lt=1)  # a person is asked


class ConsoleSettings(BaseModel):
    """The HTTP API and the page."""

    host: str = "127.0.0.1"
    port: int = 8400
    token_file: str | None = None
    presign_expiry_s: int = 3600
    max_body_bytes: int = 10 * MIB
    requests_per_second: float = Field(500.0, gt=0)  # of one token, in one process
    body_bytes_per_second: int = Field(64 * MIB, gt=0)  # the same
    idempotency_keep_s: float = Field(24 * 3600.0, gt=0)
    audit_keep_days: float = Field(365.0, gt=0)
    max_backlog_events: int = Field(100_000, ge=1)  # of a collection that wait; then calls that add to them get 429
    stream_poll_s: float = 0.5
    stalled_after_s: float = Field(120.0, gt=0)  # readiness: work that is due waits, and nobody has done any


class MetricsSettings(BaseModel):
    """Where a process answers Prometheus; the console does so at its own address."""

    host: str = "127.0.0.1"
    port: int | None = None  # None: nowhere


class Settings(BaseSettings):
    """All of them."""

    model_config = SettingsConfigDict(env_prefix="EARMARK_", env_nested_delimiter="__", extra="ignore")

    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    s3: S3Settings = S3Settings()
    ledger: LedgerSettings = LedgerSettings()
    ingest: IngestSettings = IngestSettings()
    embedder: EmbedderSettings = EmbedderSettings()
    clusterer: ClustererSettings = ClustererSettings()
    console: ConsoleSettings = ConsoleSettings()
    metrics: MetricsSettings = MetricsSettings()
    heartbeat_s: float = 5.0
    log_level: str = "INFO"
    log_json: bool = True
