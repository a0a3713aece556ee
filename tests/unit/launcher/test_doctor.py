from pathlib import Path

import pytest
from packaging.requirements import Requirement

from services.launcher.stack import doctor

pytestmark = pytest.mark.enable_socket


def test_each_finding_has_its_own_name_and_each_fault_a_remedy(tmp_path: Path) -> None:
    findings = doctor.examine(tmp_path / "data")
    names = [finding.name for finding in findings]
    assert len(set(names)) == len(names)
    assert all(bool(finding.remedy) != finding.ok for finding in findings)


def test_looking_makes_nothing(tmp_path: Path) -> None:
    doctor.examine(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_the_packaged_servers_run(tmp_path: Path) -> None:
    servers = [finding for finding in doctor.examine(tmp_path) if finding.name.startswith("server ")]
    assert len(servers) == 3
    assert all(finding.ok for finding in servers)


def test_a_missing_package_is_named() -> None:
    assert doctor._lack(Requirement("no-such-package>=1")) == "no-such-package is missing"


def test_a_package_of_the_wrong_version_is_named() -> None:
    assert "is not >=999" in str(doctor._lack(Requirement("pytest>=999")))


def test_an_extra_asks_for_its_own_packages_only() -> None:
    console = {requirement.name for requirement in doctor._requirements("console")}
    core = {requirement.name for requirement in doctor._requirements("")}
    assert "fastapi" in console
    assert "celery" in core
    assert not console & core


def test_a_file_system_without_room_is_a_fault() -> None:
    (disk,) = [finding for finding in doctor.examine(Path("/proc/earmark")) if finding.name == "free disk"]
    assert not disk.ok
