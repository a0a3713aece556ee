"""Settings come from the environment, are checked there, and never show a secret."""

import os

import pytest
from pydantic import ValidationError

from shared.settings import LedgerSettings, Settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in os.environ if name.startswith("EARMARK_")]:
        monkeypatch.delenv(name)


def test_defaults_need_no_environment():
    settings = Settings()
    assert (settings.ingest.default_segmenter, settings.embedder.default_encoders) == ("vad", ("ge2e",))
    assert (settings.s3.audio_bucket, settings.s3.derived_bucket) == ("audio", "derived")


@pytest.mark.parametrize(
    ("name", "text", "read", "expected"),
    [
        ("EARMARK_LEDGER__LEASE_S", "60", lambda s: s.ledger.lease_s, 60.0),
        ("EARMARK_LEDGER__SEGMENTS_PER_EVENT", "1", lambda s: s.ledger.segments_per_event, 1),
        ("EARMARK_INGEST__LISTEN_NOTIFICATIONS", "true", lambda s: s.ingest.listen_notifications, True),
        ("EARMARK_EMBEDDER__DEFAULT_ENCODERS", '["spectral"]', lambda s: s.embedder.default_encoders, ("spectral",)),
        ("EARMARK_CLUSTERER__ASSIGN_PROBABILITY", "0.9", lambda s: s.clusterer.assign_probability, 0.9),
        ("EARMARK_LOG_LEVEL", "DEBUG", lambda s: s.log_level, "DEBUG"),
    ],
)
def test_a_variable_sets_its_setting(monkeypatch: pytest.MonkeyPatch, name, text, read, expected):
    monkeypatch.setenv(name, text)
    assert read(Settings()) == expected


def test_one_variable_of_a_group_leaves_the_others_at_their_defaults(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EARMARK_LEDGER__LEASE_S", "60")
    assert Settings().ledger == LedgerSettings(lease_s=60)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("EARMARK_LEDGER__LEASE_S", "0"),
        ("EARMARK_LEDGER__EVENTS_PER_MESSAGE", "0"),
        ("EARMARK_LEDGER__ATTEMPTS_BEFORE_DEAD", "0"),
        ("EARMARK_DATABASE__POOL_SIZE", "many"),
    ],
)
def test_a_senseless_value_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, text: str):
    monkeypatch.setenv(name, text)
    with pytest.raises(ValidationError):
        Settings()


def test_a_variable_that_nobody_knows_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EARMARK_STACK__INGEST_PROCESSES", "3")
    monkeypatch.setenv("EARMARK_LEDGER__NO_SUCH_SETTING", "3")
    Settings()


@pytest.mark.parametrize(
    "name",
    [
        "EARMARK_DATABASE__URL",
        "EARMARK_REDIS__URL",
        "EARMARK_S3__ACCESS_KEY",
        "EARMARK_S3__SECRET_KEY",
        "EARMARK_INGEST__HINT_TOKEN",
    ],
)
def test_no_secret_is_ever_printed(monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv(name, "postgresql://me:hunter2@host/db")
    settings = Settings()
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
