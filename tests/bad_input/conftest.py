import pytest

from services.ingest.decode.limits import DecodeLimits
from services.ingest.decode.sandbox import Decoder


@pytest.fixture(scope="session")
def decoders():
    """A real decoding child for each set of limits that is asked for."""
    standing: dict[DecodeLimits, Decoder] = {}

    def of(limits: DecodeLimits) -> Decoder:
        return standing.setdefault(limits, Decoder(limits))

    yield of
    for decoder in standing.values():
        decoder.close()
