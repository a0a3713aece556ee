"""The extraction config that researchers have, read strictly: a misspelt key would draw another sample unnoticed."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.launcher.cli.failure import Failure
from shared.corpora import sap
from shared.wording import nearest

DEFAULT_MODE: Final = "default"
_LARGE: Final[Mapping[str, str]] = {"v2": "whisper-large-v2", "v3": "whisper-large-v3"}


class _Read(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataConfig(_Read):
    """Which samples: the file at `data_config_path`, or `data_config_override` in its place."""

    dataset_root: str
    split: Literal["Train", "Dev"] = "Train"
    percent: float = Field(100.0, ge=0, le=100)  # 0 has its meaning: nothing is drawn
    sampling: Literal["random", "stratified"] = "random"
    seed: int = 42
    max_samples: Annotated[int, Field(ge=1)] | None = None
    exclude_impairment: str | list[str] | None = None
    modes: dict[str, dict[str, Any]] = Field({})

    def excluded(self) -> list[str]:
        """The etiologies that are left out before anything is drawn."""
        named = self.exclude_impairment or []
        return [named] if isinstance(named, str) else named


class ExtractionConfig(_Read):
    """The whole file, and `encoder`, in the place of `whisper_model`."""

    data_config_path: str | None = None
    data_mode: str = DEFAULT_MODE
    data_config_override: dict[str, Any] | None = None
    whisper_model: Literal["v2", "v3"] = "v2"
    output_dir: str | None = None
    mapping_path: str | None = None
    overwrite: bool = False
    encoder: str | None = None

    def out(self) -> Path:
        """Where the files go."""
        return Path(self.output_dir or f"Data/embeddings/whisper_{self.whisper_model}_embeddings")

    def mapping(self) -> Path:
        """Where the list of them goes."""
        return Path(self.mapping_path) if self.mapping_path else self.out() / "mapping.json"


def encoder_for(whisper_model: str) -> str:
    """The encoder that stands for one of the config's names of models."""
    return _LARGE[whisper_model]


def read_config(path: Path, mode: str | None) -> tuple[ExtractionConfig, DataConfig]:
    """The config, and its data config with the keys of the mode (`data_mode`, if none is named) in their places.

    Raises Failure `bad_config`, which names every key that is wrong.
    """
    config = _parse(ExtractionConfig, _object(path), str(path))
    if config.encoder is not None and "whisper_model" in config.model_fields_set:
        raise _bad(f"{path} names two encoders, by encoder and by whisper_model; leave one of the two out.")
    data, place = config.data_config_override, f"{path}: data_config_override"
    if data is None:
        if config.data_config_path is None:
            raise _bad(f"{path} has neither data_config_override nor data_config_path.")
        place = config.data_config_path
        data = _object(Path(place))
    named = config.data_mode if mode is None else mode
    modes = _parse(DataConfig, data, place).modes
    if named not in modes and named != DEFAULT_MODE:
        raise _bad(f"{place} has no mode {named!r}; there are: {', '.join(sorted({DEFAULT_MODE, *modes}))}.")
    return config, _parse(DataConfig, {**data, **modes.get(named, {})}, f"{place}, mode {named}")


def check_excluded(data: DataConfig) -> None:
    """See that each etiology that is excluded is one of the release or of this corpus.

    Raises Failure `bad_config`: a misspelt one would exclude nobody, unnoticed.
    """
    if unheard := [name for name in data.excluded() if name not in sap.ETIOLOGIES]:
        known = sorted(sap.etiologies(Path(data.dataset_root)).union(sap.ETIOLOGIES))
        for name in set(unheard).difference(known):
            near = nearest(name, known)
            meant = f" (did you mean {near!r}?)" if near else ""
            raise _bad(f"exclude_impairment: nobody has the etiology {name!r}{meant}; there are {', '.join(known)}.")


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise _bad(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise _bad(f"{path} is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise _bad(f"{path} holds no JSON object.")
    return found


_Model = TypeVar("_Model", bound=BaseModel)


def _parse(model: type[_Model], found: dict[str, Any], place: str) -> _Model:
    try:
        return model.model_validate(found)
    except ValidationError as error:
        problems = "; ".join(_sentence(problem, model) for problem in error.errors())
        raise _bad(f"{place}: {problems}.") from None


def _sentence(problem: Mapping[str, Any], model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{key!r} is no key{_hint(str(problem['loc'][-1]), model)}; there are {', '.join(model.model_fields)}"
    rule = problem["msg"][:1].lower() + problem["msg"][1:]
    return f"{key}: {rule}, not {json.dumps(problem['input'], ensure_ascii=False)}"


def _hint(key: str, model: type[BaseModel]) -> str:
    """What one that is misspelt may have been, or where one that stands in the wrong place belongs."""
    if near := get_close_matches(key, model.model_fields, n=1):
        return f" (did you mean {near[0]!r}?)"
    whole = model is ExtractionConfig
    if near := get_close_matches(key, (DataConfig if whole else ExtractionConfig).model_fields, n=1):
        return f" here (it belongs to {'data_config_override.' if whole else 'the config itself: '}{near[0]})"
    return ""


def _bad(message: str) -> Failure:
    return Failure("bad_config", message, "Nothing was done; the form is in docs/embeddings.md.")
