"""What may be installed is written down, and what is written down is true."""

import json
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest

from tools import audit, licences

RULES = licences.Policy(frozenset({"MIT", "Apache-2.0"}), {"silent": "MIT"}, {"tests-only": "tests only"})


def package(folder: Path, name: str, *fields: str) -> Distribution:
    info = folder / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("\n".join(("Metadata-Version: 2.4", f"Name: {name}", "Version: 1", *fields, "")))
    return Distribution.at(info)


def test_every_installed_package_has_a_licence_that_is_allowed_or_accepted():
    assert sorted(licences.refused(distributions(), licences.policy())) == []


def test_the_document_names_the_licence_of_every_direct_dependency():
    pyproject = licences.read_pyproject()
    written = licences.written()
    assert {name: written.get(name) for name in licences.table(pyproject)} == licences.table(pyproject)
    assert written.keys() <= licences.direct(pyproject).keys()


@pytest.mark.parametrize(
    "field",
    ["License-Expression: GPL-3.0-only", "License: GPL", "Classifier: License :: OSI Approved :: AGPL", "Summary: x"],
)
def test_a_package_with_another_licence_or_none_is_refused(tmp_path: Path, field: str):
    assert len(list(licences.refused(iter([package(tmp_path, "strange", field)]), RULES))) == 1


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("plain", "License-Expression: MIT"),
        ("either", "License-Expression: GPL-3.0-only OR MIT"),
        ("both", "License-Expression: Apache-2.0 AND (MIT)"),
        ("in-words", "Classifier: License :: OSI Approved :: MIT License"),
        ("silent", "Summary: says nothing"),
        ("tests-only", "License: GPL"),
    ],
)
def test_a_package_with_an_allowed_licence_is_not(tmp_path: Path, name: str, field: str):
    assert list(licences.refused(iter([package(tmp_path, name, field)]), RULES)) == []


def test_both_licences_of_a_package_must_be_allowed():
    assert not licences.is_allowed("MIT AND GPL-3.0-only", RULES.allowed)


def report(*packages: dict[str, object]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


SKIPPED = {"name": "a", "skip_reason": "Dependency not found on PyPI and could not be audited: a (1)"}
SOUND = {"name": "b", "version": "1", "vulns": []}
HURT = {
    "name": "c",
    "version": "1",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2"], "description": ""}],
}


@pytest.mark.parametrize("printed", ["", "no JSON", report(), report(SKIPPED)])
def test_an_audit_that_asked_nobody_is_none(printed: str):
    assert audit.audited(printed) is None


def test_a_vulnerability_is_named_unless_it_is_accepted_under_one_of_its_names():
    found = audit.audited(report(SKIPPED, SOUND, HURT))
    assert found is not None
    assert list(audit.vulnerabilities(found, {})) == ["c 1: PYSEC-1, mended in 2"]
    assert list(audit.vulnerabilities(found, {"CVE-1": "not called here"})) == []
