"""Where GE2E's weights are and that they are the right ones. The package that carries them is never imported."""

import hashlib
import importlib.util
from pathlib import Path
from typing import Final

from shared.errors import PermanentError

WEIGHTS_SHA256: Final = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
"""Of `pretrained.pt` in resemblyzer 0.1.4 (Apache-2.0)."""


class MissingWeights(PermanentError):
    """GE2E's weights are not installed: `pip install --no-deps -r requirements/weights.txt`."""

    code = "missing_weights"


class WrongWeights(PermanentError):
    """GE2E's weights are not the ones its vectors are named after; put the right ones in their place:
    `pip install --no-deps --force-reinstall -r requirements/weights.txt`.
    """

    code = "wrong_weights"


def find_weights(package: str = "resemblyzer") -> Path:
    """Where the weights are, their content checked against WEIGHTS_SHA256. Raises MissingWeights, WrongWeights.

    The package itself cannot be imported without webrtcvad, which needs a compiler; `find_spec` only looks.
    """
    found = importlib.util.find_spec(package)
    folders = found.submodule_search_locations if found else None
    path = Path(folders[0]) / "pretrained.pt" if folders else None
    if path is None or not path.is_file():
        raise MissingWeights
    with path.open("rb") as weights:
        digest = hashlib.file_digest(weights, "sha256").hexdigest()
    if digest != WEIGHTS_SHA256:
        raise WrongWeights(f"{path} has sha256 {digest[:12]}..., not {WEIGHTS_SHA256[:12]}....")
    return path
