"""The extraction config: as researchers have it, unchanged; and every mistake named."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.launcher.cli.extraction_config import DataConfig, ExtractionConfig, check_excluded, read_config
from services.launcher.cli.failure import Failure
from tests.support.corpora import sap_contributor

DATA: dict[str, Any] = {
    "dataset_root": "Data/extracted_data",
    "split": "Train",
    "percent": 100,
    "sampling": "stratified",
    "seed": 42,
    "max_samples": 100,
    "modes": {},
}
CONFIG: dict[str, Any] = {
    "data_config_path": "Config/dataloader_config.json",
    "data_mode": "default",
    "data_config_override": DATA,
    "whisper_model": "v2",
    "output_dir": "Data/embeddings/whisper_v2_embeddings",
    "mapping_path": "Data/embeddings/whisper_v2_embeddings/mapping.json",
    "overwrite": False,
}


def read(folder: Path, config: dict[str, Any], mode: str | None = None) -> tuple[ExtractionConfig, DataConfig]:
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return read_config(path, mode)


def test_their_file_is_read_as_it_is(tmp_path: Path) -> None:
    config, data = read(tmp_path, CONFIG)
    assert (config.whisper_model, config.encoder, config.out(), config.overwrite) == (
        "v2", None, Path("Data/embeddings/whisper_v2_embeddings"), False,
    )  # fmt: skip
    assert (data.sampling, data.max_samples, data.percent, data.seed, data.excluded()) == (
        "stratified", 100, 100, 42, [],
    )  # fmt: skip


def test_what_is_left_out_has_the_scripts_defaults(tmp_path: Path) -> None:
    config, data = read(tmp_path, {"data_config_override": {"dataset_root": "d"}, "whisper_model": "v3"})
    assert (data.split, data.percent, data.sampling, data.seed, data.max_samples) == ("Train", 100, "random", 42, None)
    assert config.out() == Path("Data/embeddings/whisper_v3_embeddings")
    assert config.mapping() == config.out() / "mapping.json"


def test_the_override_replaces_the_file_at_the_path(tmp_path: Path) -> None:
    other = tmp_path / "data.json"
    other.write_text(json.dumps({"dataset_root": "other", "exclude_impairment": ["ALS", "Stroke"]}))
    config = {**CONFIG, "data_config_path": str(other)}
    assert read(tmp_path, config)[1].dataset_root == "Data/extracted_data"
    found = read(tmp_path, {**config, "data_config_override": None})[1]
    assert (found.dataset_root, found.excluded()) == ("other", ["ALS", "Stroke"])


def test_a_modes_keys_come_before_the_rest(tmp_path: Path) -> None:
    modes = {"debug": {"percent": 1, "split": "Dev"}, "dev": {"split": "Dev"}}
    config = {**CONFIG, "data_mode": "dev", "data_config_override": {**DATA, "modes": modes}}
    assert (read(tmp_path, config)[1].split, read(tmp_path, config)[1].percent) == ("Dev", 100)
    assert (read(tmp_path, config, "debug")[1].percent, read(tmp_path, config, "default")[1].split) == (1, "Train")


def test_a_percentage_may_be_0_as_in_their_format(tmp_path: Path) -> None:
    assert read(tmp_path, {"data_config_override": {**DATA, "percent": 0}})[1].percent == 0


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    sap_contributor(tmp_path / "sap" / "Train", "P1", 1, "ALS")
    sap_contributor(tmp_path / "sap" / "Dev", "P2", 1, "Ataxia")
    return tmp_path / "sap"


@pytest.mark.parametrize(("named", "words"), [
    ("als", "nobody has the etiology 'als' (did you mean 'ALS'?); there are ALS, Ataxia, Cerebral Palsy,"),
    (["ALS", "Atxia"], "'Atxia' (did you mean 'Ataxia'?)"),
])  # fmt: skip
def test_an_exclusion_that_nobody_can_meet_is_refused(corpus: Path, named: str | list[str], words: str) -> None:
    with pytest.raises(Failure) as failure:
        check_excluded(DataConfig(dataset_root=str(corpus), exclude_impairment=named))
    assert failure.value.code == "bad_config"
    assert words in failure.value.message


def test_etiologies_of_the_release_or_of_the_corpus_may_be_excluded(corpus: Path) -> None:
    """Of a part of the release, too, which may lack some."""
    check_excluded(DataConfig(dataset_root=str(corpus), exclude_impairment=["Stroke", "Ataxia"]))
    check_excluded(DataConfig(dataset_root=str(corpus)))


def test_an_encoder_can_be_named(tmp_path: Path) -> None:
    config = {key: value for key, value in CONFIG.items() if key != "whisper_model"}
    assert read(tmp_path, {**config, "encoder": "ge2e"})[0].encoder == "ge2e"
    assert read(tmp_path, {**CONFIG, "encoder": None})[0].whisper_model == "v2"


@pytest.mark.parametrize(("config", "data", "words"), [
    ({"outptu_dir": "x"}, {}, "'outptu_dir' is no key (did you mean 'output_dir'?); there are data_config_path"),
    ({"percent": 5}, {}, "'percent' is no key here (it belongs to data_config_override.percent); there are"),
    ({}, {"output_dir": "x"}, "'output_dir' is no key here (it belongs to the config itself: output_dir); there are"),
    ({}, {"persent": 5}, "'persent' is no key (did you mean 'percent'?); there are dataset_root, split, percent"),
    ({}, {"percent": -1}, "percent: input should be greater than or equal to 0, not -1"),
    ({}, {"percent": 101}, "percent: input should be less than or equal to 100, not 101"),
    ({}, {"percent": "50"}, 'percent: input should be a valid number, not "50"'),
    ({}, {"split": "train"}, "split: input should be 'Train' or 'Dev', not \"train\""),
    ({}, {"split": "Test"}, "split: input should be 'Train' or 'Dev', not \"Test\""),
    ({}, {"sampling": "uniform"}, "sampling: input should be 'random' or 'stratified', not \"uniform\""),
    ({}, {"max_samples": 0}, "max_samples: input should be greater than or equal to 1"),
    ({"whisper_model": "v1"}, {}, "whisper_model: input should be 'v2' or 'v3', not \"v1\""),
    ({"encoder": "ge2e"}, {}, "names two encoders, by encoder and by whisper_model; leave one of the two out"),
    ({"data_mode": "debgu"}, {"modes": {"debug": {}}}, "no mode 'debgu'; there are: debug, default"),
    ({"data_mode": "m"}, {"modes": {"m": {"persent": 1}}}, "mode m: 'persent' is no key"),
    ({"data_config_override": None, "data_config_path": None}, {}, "neither data_config_override nor"),
    ({"data_config_override": None}, {}, "cannot be read: No such file"),
])  # fmt: skip
def test_every_mistake_is_named(tmp_path: Path, config: dict[str, Any], data: dict[str, Any], words: str) -> None:
    with pytest.raises(Failure) as failure:
        read(tmp_path, {**CONFIG, "data_config_override": {**DATA, **data}, **config})
    assert failure.value.code == "bad_config"
    assert words in failure.value.message


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"'])
def test_what_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(Failure, match=r"config\.json"):
        read_config(tmp_path / "config.json", None)
