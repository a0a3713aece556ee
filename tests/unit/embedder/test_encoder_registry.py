import pytest

from shared.encoders import registry
from shared.encoders.protocol import EncoderOptions
from shared.errors import NotFound


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(registry.UnknownEncoder, match="ecapa, ge2e, pyannote, spectral") as refusal:
        registry.build("ecapa2", EncoderOptions())
    assert isinstance(refusal.value, NotFound)
    assert refusal.value.code == "unknown_encoder"


def test_specs_are_found_under_their_own_names():
    names = ("ecapa", "ge2e", "pyannote", "spectral")
    assert {name: spec.name for name, spec in registry.specs().items()} == {name: name for name in names}


def test_a_change_of_weights_is_another_space():
    from dataclasses import replace

    spec = registry.spec("ge2e")
    assert replace(spec, revision="other").space != spec.space
    assert replace(spec, assign_threshold=0.5).space == spec.space
