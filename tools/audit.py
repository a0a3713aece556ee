"""Ask a vulnerability service about every installed package; say loudly where it could not be asked.

`python -m tools.audit` fails for a vulnerability that pyproject.toml does not accept with a reason. It never fails for
a network: where there is none, nothing was audited, and that is what it says. (pip-audit alone would call packages
that the service does not know, or could not be asked about, free of known vulnerabilities.)
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from tools.licences import OWN, read_pyproject

TIMEOUT_S = 300
SERVICES = ("osv", "pypi")


def answers(service: str) -> list[dict[str, Any]] | None:
    """What pip-audit says of each package; None if the service knew none of them, or could not be asked."""
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", service, "--format", "json"]
    options = ["--progress-spinner", "off", "--timeout", "10", "--skip-editable"]
    try:
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return None
    return audited(done.stdout)


def audited(printed: str) -> list[dict[str, Any]] | None:
    """What pip-audit printed, if any package was audited at all."""
    try:
        found: list[dict[str, Any]] = json.loads(printed)["dependencies"]
    except ValueError:
        return None
    return found if any("vulns" in one for one in found) else None


def vulnerabilities(found: list[dict[str, Any]], accepted: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each that is not accepted, under none of its names."""
    for package in found:
        for one in package.get("vulns", ()):
            if not {one["id"], *one.get("aliases", ())} & accepted.keys():
                fixed = ", ".join(one.get("fix_versions", ())) or "no version yet"
                yield f"{package['name']} {package['version']}: {one['id']}, mended in {fixed}"


def main() -> int:
    """0: none that is not accepted, as far as it could be asked."""
    found = next((said for service in SERVICES if (said := answers(service)) is not None), None)
    if found is None:
        sys.stderr.write("NOT AUDITED: no vulnerability service could be reached from here.\n")
        return 0
    accepted = read_pyproject()["tool"]["earmark"]["audit"]["accepted"]
    open_ones = sorted(vulnerabilities(found, accepted))
    for sentence in open_ones:
        sys.stderr.write(f"{sentence}\n")
    unknown = sorted(one["name"] for one in found if "vulns" not in one and one["name"] != OWN)
    if unknown:
        sys.stderr.write(f"Not audited, for the service does not know them: {', '.join(unknown)}.\n")
    sys.stdout.write(f"Audit: {len(found) - len(unknown)} packages, {len(open_ones)} open vulnerabilities.\n")
    return 1 if open_ones else 0


if __name__ == "__main__":
    sys.exit(main())
