"""The upload of a batch when the object store is not there."""

from pathlib import Path

import pytest

from services.launcher.cli.failure import Failure
from services.launcher.cli.sources import Source
from services.launcher.cli.upload import Target, upload

NOBODY = Target("c/a.wav", "http://127.0.0.1:9/audio/c/a.wav")


def test_an_unreachable_store_ends_the_upload(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"abc")
    batch = [(Source(tmp_path / "a.wav", "a.wav", 3), NOBODY)]
    with pytest.raises(Failure) as caught:
        list(upload(batch, lambda _: NOBODY, lambda _: None, first_pause_s=0.01))
    assert caught.value.code == "store_unreachable"
