"""Import Hugging Face's transformers, whatever stands beside it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from shared.checkpoints import library


@contextmanager
def transformers_library() -> Iterator[None]:
    """Imports of transformers inside that fail raise MissingLibrary.

    A torchaudio that is installed but does not load (PyPI's build, beside a torch without CUDA) is taken for one that
    is not there: transformers imports it with every model, though these need nothing of it, and would fail.
    """
    with library("transformers"):
        try:
            import torchaudio  # type: ignore[import-untyped,unused-ignore]  # noqa: F401
        except ImportError:
            pass
        except OSError:
            sys.modules["torchaudio"] = None  # type: ignore[assignment]  # how Python marks what shall not be found
        yield
