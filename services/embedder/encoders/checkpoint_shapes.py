"""The shapes of the tensors in a torch checkpoint, read without torch and without running what its pickle names."""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from shared.errors import PermanentError

_REBUILD_TENSOR: Final = ("torch._utils", "_rebuild_tensor_v2")
_REBUILD_PARAMETER: Final = ("torch._utils", "_rebuild_parameter")


class UnreadableCheckpoint(PermanentError):
    """The file is not what `torch.save` writes since torch 1.6, or not the kind of model that was asked for."""

    code = "unreadable_checkpoint"


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shape by name, in the order of the state: of the file's `state_dict`, or of the file if it is one itself.

    Raises UnreadableCheckpoint.
    """
    content = read_checkpoint(path)
    state = content.get("state_dict", content) if isinstance(content, Mapping) else {}
    return {name: shape for name, shape in state.items() if isinstance(shape, tuple)}


def read_checkpoint(path: Path) -> Any:
    """What was saved, with shapes where tensors were, and nothing of what is neither plain nor a tensor.

    Raises UnreadableCheckpoint.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(name) as file:
                return _ShapeUnpickler(file).load()
    except (OSError, zipfile.BadZipFile, pickle.UnpicklingError, StopIteration, EOFError) as error:
        raise UnreadableCheckpoint(f"{path}: {error}") from error


class _Inert:
    """Stands for any object of the checkpoint that is no tensor; takes whatever a pickle does to it."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None: ...
    def __setstate__(self, _state: Any) -> None: ...
    def __setitem__(self, _key: Any, _value: Any) -> None: ...
    def append(self, _value: Any) -> None: ...
    def extend(self, _values: Any) -> None: ...
    def __hash__(self) -> int:
        return id(self)


class _ShapeUnpickler(pickle.Unpickler):
    """Builds plain containers and shapes; every other class or function that the file names becomes _Inert."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == _REBUILD_TENSOR:
            return lambda _storage, _offset, size, *_rest: tuple(size)
        if (module, name) == _REBUILD_PARAMETER:
            return lambda shape, *_rest: shape
        return OrderedDict if (module, name) == ("collections", "OrderedDict") else _Inert

    def persistent_load(self, _pid: Any) -> None:
        """A tensor's numbers, which stay in the archive."""
