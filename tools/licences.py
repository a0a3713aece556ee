"""Compare the licence of every installed package with those that pyproject.toml allows; keep docs/licences.md true.

`python -m tools.licences` fails for a package whose licence is not allowed; `--write` writes the table anew.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "licences.md"
BEGIN, END = "<!-- licences: begin -->", "<!-- licences: end -->"
OWN = "earmark"
TOOLS = frozenset({"pip", "setuptools", "wheel"})  # they come with every environment

# The words that authors use, as SPDX has them.
SPDX: Mapping[str, str] = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "New BSD": "BSD-3-Clause",
    "Python Software Foundation License": "PSF-2.0",
}

_ID = r"(MIT|ISC|[A-Za-z0-9.]+(-[A-Za-z0-9.]+)+)"
_EXPRESSION = re.compile(f"{_ID}( (AND|OR|WITH) {_ID})*")


@dataclass(frozen=True, slots=True)
class Policy:
    """[tool.earmark.licences]: SPDX ids that are allowed, and packages by name for which more is known."""

    allowed: frozenset[str]
    known: Mapping[str, str]  # what packages do not say, or not in words of SPDX
    accepted: Mapping[str, str]  # with a licence that is not allowed in general: why it may be used


def policy(pyproject: Mapping[str, Any] | None = None) -> Policy:
    """As pyproject.toml has it."""
    found = (pyproject or read_pyproject())["tool"]["earmark"]["licences"]
    return Policy(frozenset(found["allowed"]), found["known"], found["accepted"])


def read_pyproject() -> dict[str, Any]:
    """The project's own settings."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def licence_of(package: Distribution, known: Mapping[str, str]) -> str:
    """In words of SPDX; `?` if it says nothing that is understood."""
    name = canonicalize_name(package.metadata["Name"])
    if found := next((licence for pattern, licence in known.items() if fnmatch(name, pattern)), None):
        return found
    metadata = package.metadata
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    classifiers = [str(one) for one in metadata.get_all("Classifier") or []]
    said = [metadata["License"].strip()] if "License" in metadata else []
    said += [one.rsplit("::", 1)[-1].strip() for one in classifiers if one.startswith("License ::")]
    return next((SPDX.get(words, words) for words in said if words in SPDX or _EXPRESSION.fullmatch(words)), "?")


def is_allowed(expression: str, allowed: frozenset[str]) -> bool:
    """Whether one of its alternatives is made of nothing but allowed licences."""
    alternatives = expression.replace("(", "").replace(")", "").split(" OR ")
    return any(all(part in allowed for part in one.split(" AND ")) for one in alternatives)


def refused(packages: Iterable[Distribution], rules: Policy) -> Iterator[str]:
    """A sentence for each package whose licence is neither allowed nor accepted."""
    for package in packages:
        name = canonicalize_name(package.metadata["Name"])
        if name == OWN or name in TOOLS:
            continue
        licence = licence_of(package, rules.known)
        if not is_allowed(licence, rules.allowed) and not any(fnmatch(name, one) for one in rules.accepted):
            yield f"{name}: {licence}"


def direct(pyproject: Mapping[str, Any]) -> dict[str, list[str]]:
    """By package: which of the project's sets of packages ask for it; `` is every installation."""
    project = pyproject["project"]
    sets = {"": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, list[str]] = {}
    for extra, requirements in sets.items():
        for requirement in requirements:
            name = canonicalize_name(Requirement(requirement).name)
            if name != OWN:
                found.setdefault(name, []).append(extra)
    return dict(sorted(found.items()))


def table(pyproject: Mapping[str, Any]) -> dict[str, str]:
    """A row of docs/licences.md for each direct dependency that is installed."""
    rules = policy(pyproject)
    installed = {str(canonicalize_name(one.metadata["Name"])): one for one in distributions()}
    return {
        name: f"| `{name}` | {licence_of(installed[name], rules.known)} | {_where(extras)} |"
        for name, extras in direct(pyproject).items()
        if name in installed
    }


def _where(extras: list[str]) -> str:
    return "always" if "" in extras else ", ".join(f"`{extra}`" for extra in extras)


def written() -> dict[str, str]:
    """The rows that docs/licences.md has."""
    rows = DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0].strip().splitlines()[2:]
    return {row.split("`")[1]: row for row in rows}


def write() -> None:
    """Bring the table up to date; rows of what is not installed here stay as they are, while somebody asks for them."""
    pyproject = read_pyproject()
    rows = {name: row for name, row in written().items() if name in direct(pyproject)} | table(pyproject)
    head, _, rest = DOCUMENT.read_text().partition(BEGIN)
    lines = ("| Package | Licence | Asked for by |", "|---|---|---|", *(rows[name] for name in sorted(rows)))
    DOCUMENT.write_text("\n".join((f"{head}{BEGIN}\n", *lines, "", f"{END}{rest.partition(END)[2]}")))


def main() -> int:
    """0: all are allowed."""
    if "--write" in sys.argv[1:]:
        write()
    found = sorted(refused(distributions(), policy()))
    for sentence in found:
        sys.stderr.write(f"Licence neither allowed nor accepted (pyproject.toml, tool.earmark.licences): {sentence}\n")
    if not found:
        sys.stdout.write("Licences: all allowed.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
