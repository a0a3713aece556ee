import sys
import types
import warnings
from importlib.util import find_spec

import numpy as np
import pytest

from shared.encoders import registry
from shared.encoders.protocol import EncoderOptions


@pytest.fixture(scope="session")
def rng():
    return np.random.default_rng(20240)


@pytest.fixture(scope="session")
def ge2e():
    return registry.build("ge2e", EncoderOptions(device="cpu"))


@pytest.fixture(scope="session")
def resemblyzer():
    """The package whose vectors ours must equal. Its import wants webrtcvad, which it does not need for embedding."""
    if find_spec("webrtcvad") is None:
        sys.modules["webrtcvad"] = types.ModuleType("webrtcvad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports a scipy name that is going away
        import resemblyzer
    return resemblyzer


@pytest.fixture(scope="session")
def peer(resemblyzer):
    return resemblyzer.VoiceEncoder("cpu", verbose=False)
