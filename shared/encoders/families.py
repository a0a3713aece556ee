"""What a family of models is: how one library's checkpoints become encoders, a space for every layer and pooling.

The plug-in point `earmark.encoder_families`. Reading a family loads no model and no heavy library.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from shared.checkpoints import Checkpoint
from shared.encoders.protocol import EncoderOptions, Modality

Pooling = Literal["mean", "max", "first", "last", "stats", "none"]
"""How outputs over time become one vector. `stats`: mean, then deviation. `none`: mean, and the frames are kept."""

POOLINGS: tuple[Pooling, ...] = get_args(Pooling)

Window = Literal["padded", "trimmed"]
"""For models that look through a window of fixed length: whether it is filled up with silence or cut to the clip."""

FrameType = Literal["float16", "float32"]
"""What kept frames are stored as."""

Input = Float32[np.ndarray, " _samples"] | str
"""A clip, mono in -1..1 at the card's rate, or a text."""


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a checkpoint before it is loaded."""

    identity: str  # of the weights, and of whatever of the family's own code decides a vector's value
    modality: Modality
    sample_rate_hz: int  # of the clips it wants; 0 for texts
    layers: Mapping[str, int]  # each layer's name and the dimension of its frames, from the input to the output
    default_layer: str
    windows: tuple[Window, ...] = ()  # the first is the default; none where a model takes any length
    min_duration_s: float = 0.0  # shorter clips are embedded too, but say little
    assign_threshold: float = 0.95  # see EncoderSpec; nobody has measured it for most models


@dataclass(frozen=True, slots=True)
class Output:
    """What is wanted of a model's pass."""

    layer: str
    pooling: Pooling
    window: Window | None = None

    @property
    def keeps_frames(self) -> bool:
        """Whether the frames themselves are wanted beside the vector."""
        return self.pooling == "none"


@dataclass(frozen=True, slots=True)
class Pooled:
    """One output for some inputs, on the host; vectors are not scaled, and finite."""

    vectors: Float32[np.ndarray, "inputs dim"]
    frames: tuple[Float[np.ndarray, "_frames _frame_dim"], ...] | None = None  # in float32, of outputs that keep them


@runtime_checkable  # beartype asks, in the test run
class Model(Protocol):
    """A loaded checkpoint, in the process that uses it."""

    @property
    def made_with(self) -> Mapping[str, str]:
        """The device and number type of its passes: `device`, `dtype`."""

    @property
    def size_bytes(self) -> int:
        """What it holds of memory by being loaded."""

    def embed(self, inputs: Sequence[Input], outputs: Sequence[Output]) -> list[Pooled]:
        """Every output, in its order, for every input, in theirs; one pass through the network serves all outputs.

        Layers are pooled on the device: frames come to the host only for outputs that keep them. An input's row does
        not depend on its batch mates beyond rounding (1e-4). Inputs may be of any length from one sample, or one
        character, on. Batches are halved where the device runs out of memory; raises DeviceOutOfMemory for a single
        input that has no room.
        """


@runtime_checkable
class Family(Protocol):
    """What an entry point names: one library's way with one kind of checkpoint."""

    @property
    def name(self) -> str:
        """As in `encoders add NAME --family`."""

    @property
    def modality(self) -> Modality:
        """What its models read."""

    @property
    def extras(self) -> Mapping[str, tuple[str, ...]]:
        """The extra of Earmark that installs its library, and the distributions without which `load` fails.

        Where single files are loaded by another library than folders and what the hub has, its extra comes last.
        """

    @property
    def models(self) -> Mapping[str, str]:
        """Short names of published models, and where the hub has each: `v3` is `openai/whisper-large-v3`."""

    def card(self, checkpoint: Checkpoint) -> Card:
        """What it says of itself, from its configuration. Raises UnreadableCheckpoint for another kind's."""

    def load(self, checkpoint: Checkpoint, options: EncoderOptions) -> Model:
        """Takes seconds, and memory until it is let go. Raises MissingLibrary, MissingModel, UnreadableCheckpoint."""
