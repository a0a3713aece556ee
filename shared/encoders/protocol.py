"""What an encoder is: a space of vectors with a name, and something that puts clips into it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

Metric = Literal["cosine"]


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """A space of vectors. Two vectors may be compared only if their `space` is the same."""

    name: str  # the entry point's name; lower-case letters, digits and underscores
    revision: str  # changes whenever the same clip would get another vector: weights, features, preprocessing
    layer: str  # which layer's output is taken
    pooling: str  # how the outputs over time become one vector
    sample_rate_hz: int  # of the clips that `embed` wants
    dimension: int
    min_duration_s: float  # shorter clips are embedded too, but say little of who speaks
    metric: Metric
    assign_threshold: float  # cosine to a speaker's centroid at which identification may assign by itself

    @property
    def space(self) -> str:
        """An id made of what decides a vector's value, fit for an SQL name: `ge2e_5f0c1a9be247`."""
        identity = f"{self.name}\n{self.revision}\n{self.layer}\n{self.pooling}"
        return f"{self.name}_{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


@runtime_checkable  # beartype asks, in the test run
class Encoder(Protocol):
    """A built model, in the process that uses it."""

    @property
    def spec(self) -> EncoderSpec:
        """The space that its vectors are in."""

    def embed(self, clips: Sequence[Float32[np.ndarray, " _samples"]]) -> Float32[np.ndarray, "clips dim"]:
        """One unit row a clip, in the order of the clips.

        Clips are mono at `spec.sample_rate_hz`, in -1..1, of any lengths from one sample on, and have passed
        `why_unusable`. A clip's row does not depend on its batch mates beyond rounding (1e-5).
        """


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """Where and how wide a model runs."""

    device: str = "auto"  # auto, cpu, cuda, cuda:1; auto takes the GPU if there is one
    cpu_threads: int = 1  # of the whole process: one process a core with one thread each is fastest


@dataclass(frozen=True, slots=True)
class EncoderPlugin:
    """What the entry-point group `earmark.encoders` names. Reading it loads no model and no heavy library."""

    spec: EncoderSpec
    build: Callable[[EncoderOptions], Encoder]
    requires: tuple[str, ...] = ()  # distributions without which `build` fails: then the encoder is not offered
