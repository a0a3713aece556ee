"""Make torchaudio importable beside a torch without CUDA: what PyPI offers links CUDA and fails to load there.

For tests only. What pyannote and speechbrain need of it is written in Python, and works without its shared object.
"""

import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType


def _no_alignment(_aligner: Callable[..., object]) -> Callable[..., object]:
    """A decorator, as torchaudio's own: what it decorates fails when it is called."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("torchaudio's alignment is stubbed out")

    return refuse


def install() -> None:
    """Put the stub in place, before anything imports torchaudio, where it is needed."""
    import torch

    if sys.modules.get("torchaudio", torch) is None:
        del sys.modules["torchaudio"]  # the embedder's mark of one that does not load
    if torch.version.cuda is not None or "torchaudio" in sys.modules or importlib.util.find_spec("torchaudio") is None:
        return
    extension = ModuleType("torchaudio._extension")
    extension.__dict__.update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_ALIGN_AVAILABLE=False, fail_if_no_align=_no_alignment
    )
    sys.modules["torchaudio._extension"] = extension
