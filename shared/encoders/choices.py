"""What can be asked for of every family: ways of pooling, windows, and the number types of frames."""

from typing import Final, get_args

from shared.encoders.families import POOLINGS, FrameType, Pooling, Window
from shared.errors import PermanentError

DEFAULT_POOLING: Final[Pooling] = "mean"
DEFAULT_FRAMES: Final[FrameType] = "float32"
_WINDOWS: Final[tuple[Window, ...]] = get_args(Window)
_FRAME_TYPES: Final[tuple[FrameType, ...]] = get_args(FrameType)


class UnknownPooling(PermanentError):
    """Pooling is one of mean, max, first, last, stats, none."""

    code = "unknown_pooling"


class UnknownWindow(PermanentError):
    """Only models that look through a window of fixed length have windows: padded or trimmed."""

    code = "unknown_window"


class UnknownFrameType(PermanentError):
    """Leave it out, which is float32, or name it together with pooling `none`."""

    code = "unknown_frame_type"


def pooling_of(name: str | None) -> Pooling:
    """The way of pooling, `mean` if none is named. Raises UnknownPooling."""
    for pooling in POOLINGS:
        if pooling == (name or DEFAULT_POOLING):
            return pooling
    raise UnknownPooling(f"There is no pooling {name!r}; there are {', '.join(POOLINGS)}.")


def check_window(name: str | None) -> None:
    """Whether any model has such a window; which one has is for its checkpoint to say. Raises UnknownWindow."""
    if name is not None and name not in _WINDOWS:
        raise UnknownWindow(f"There is no window {name!r}; there are {', '.join(_WINDOWS)}.")


def frames_of(name: str | None, pooling: Pooling) -> FrameType | None:
    """What frames are kept as; None where none are kept. Raises UnknownFrameType."""
    if pooling != "none":
        if name is not None:
            raise UnknownFrameType(f"Frames are kept with pooling 'none' only, not with {pooling!r}.")
        return None
    for frame_type in _FRAME_TYPES:
        if frame_type == (name or DEFAULT_FRAMES):
            return frame_type
    raise UnknownFrameType(f"Frames are kept as {' or '.join(_FRAME_TYPES)}, not as {name!r}.")
