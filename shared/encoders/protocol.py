"""What an encoder is: a space of vectors with a name, and something that puts clips into it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from shared.checkpoints import Checkpoint

Metric = Literal["cosine"]

Modality = Literal["audio", "text"]
"""What an encoder reads of a segment: its sound, or its text."""


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """A space of vectors. Two vectors may be compared only if their `space` is the same."""

    name: str  # an entry point's: lower-case letters, digits, underscores; one that was added: also `.`, `:` and `-`
    revision: str  # changes whenever the same clip would get another vector: weights, features, preprocessing
    layer: str  # which layer's output is taken
    pooling: str  # how the outputs over time become one vector
    sample_rate_hz: int  # of the clips that `embed` wants; 0 where it wants texts
    dimension: int
    min_duration_s: float  # shorter clips are embedded too, but say little of who speaks
    metric: Metric
    assign_threshold: float  # cosine to a speaker's centroid at which identification may assign by itself
    modality: Modality = "audio"
    window: str | None = None  # of models that look through one: padded or trimmed
    frames: str | None = None  # the number type in which frames are kept beside the vector; None: they are not

    @property
    def space(self) -> str:
        """An id made of what decides a vector's value: `ge2e_5f0c1a9be247`."""
        identity = f"{self.name}\n{self.revision}\n{self.layer}\n{self.pooling}"
        if self.window is not None:
            identity += f"\n{self.window}"
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
    dtype: str = "auto"  # of a family's passes: auto, float32, bfloat16; auto: bfloat16 on a GPU, or where it pays


@dataclass(frozen=True, slots=True)
class EncoderPlugin:
    """What the entry-point group `earmark.encoders` names. Reading it loads no model and no heavy library."""

    spec: EncoderSpec
    build: Callable[[EncoderOptions], Encoder]
    requires: tuple[str, ...] = ()  # distributions without which `build` fails: then the encoder is not offered
    weights: Checkpoint | None = None  # what `build` loads, unless a package brings it
