"""Each service's role has rights to the tables that its code names: no fewer, or it would break; and no more."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from shared.storage.roles import RIGHTS, SERVICES, Service
from shared.storage.tables import metadata

ROOT = Path(__file__).parents[2]
TABLES = set(metadata.tables)
ENTRIES: dict[Service, str] = {
    "relay": "shared.ledger.relay",
    "reconciler": "shared.ledger.reconcile",
    "watch": "services.ingest.watch",
    "ingest": "services.ingest.tasks",
    "embedder": "services.embedder.tasks",
    "clusterer": "services.clusterer.tasks",
    "console": "services.console.main",
}
LOADED_BUT_NOT_CALLED: dict[Service, set[str]] = {
    "reconciler": {"pause"},
    "watch": {"embedding", "recording"},
    "ingest": {"encoder", "encoder_check", "encoder_definition"},
    "embedder": {
        "assignment",
        "label",
        "label_effect",
        "object_attributes",
        "segmenter",
        "stored_object",
        "subset",
        "subset_member",
    },
    "clusterer": {
        "encoder_check",
        "encoder_definition",
        "object_attributes",
        "rendition",
        "segmenter",
        "stored_object",
        "subset",
        "subset_member",
    },
}
"""Tables that some function of a module writes which the service loads for the sake of others."""

NAMED = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN)\s+\"?([a-z_]+)")
WRITTEN = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM|COPY)\s+\"?([a-z_]+)")
LOCKED = re.compile(r"\bFOR (?:UPDATE|NO KEY|SHARE|KEY)")


def source(module: str) -> Path | None:
    path = ROOT / module.replace(".", "/")
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()), None)


@cache
def parsed(module: str) -> ast.Module:
    path = source(module)
    assert path is not None
    return ast.parse(path.read_text())


def imported(module: str) -> set[str]:
    found = set()
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith(("shared.", "services.")) and source(name)}


def reached(entry: str) -> set[str]:
    seen: set[str] = set()
    pending = [entry, "shared.ledger.consumer"] if entry.endswith("tasks") else [entry]
    while pending:
        module = pending.pop()
        if module not in seen:
            seen.add(module)
            pending += imported(module)
    return {module for module in seen if not module.startswith(("shared.storage.tables", "shared.storage.roles"))}


@cache
def touched(module: str) -> tuple[set[str], set[str]]:
    """Tables that a module names, and those of them that it writes or locks."""
    named, written, of_sqlalchemy = set(), set(), {}
    for node in ast.walk(parsed(module)):
        match node:
            case ast.ImportFrom(module="shared.storage.tables", names=aliases):
                of_sqlalchemy |= {alias.asname or alias.name: alias.name for alias in aliases}
            case ast.Attribute(value=ast.Name(id="tables"), attr=attribute):
                named.add(attribute)
            case ast.Constant(value=str(text)):
                named |= set(NAMED.findall(text))
                written |= set(WRITTEN.findall(text))
                written |= set(NAMED.findall(text)) if LOCKED.search(text) else set()
    for node in ast.walk(parsed(module)):
        match node:
            case ast.Call(func=ast.Attribute(attr="insert" | "update" | "delete"), args=[ast.Name(id=name), *_]):
                written.add(of_sqlalchemy.get(name, ""))
            case ast.Call(func=ast.Name(id="insert"), args=[ast.Name(id=name), *_]):
                written.add(of_sqlalchemy.get(name, ""))
            case ast.Call(func=ast.Attribute(attr="with_for_update")):
                written |= set(of_sqlalchemy.values())
    return (named | written | set(of_sqlalchemy.values())) & TABLES, written & TABLES


@pytest.mark.parametrize("service", SERVICES)
def test_a_role_has_rights_to_what_its_code_names_and_to_nothing_else(service: Service) -> None:
    modules = reached(ENTRIES[service])
    named = {table for module in modules for table in touched(module)[0]}
    written = {table for module in modules for table in touched(module)[1]}
    rights = RIGHTS[service]
    writes, reads = set(rights.writes.split()), set(rights.reads.split())
    assert writes | reads == named
    assert written - LOADED_BUT_NOT_CALLED.get(service, set()) - writes == set()
    assert not writes & reads


def test_secrets_and_names_stay_with_those_who_need_them() -> None:
    def readers(table: str) -> set[str]:
        return {service for service in SERVICES if table in f"{RIGHTS[service].writes} {RIGHTS[service].reads}".split()}

    for table in ("token", "audit_entry", "keyed_call"):
        assert readers(table) == {"console"}
    assert readers("assignment") == {"embedder", "clusterer", "console"}
    assert {"relay", "watch"}.isdisjoint(readers("segment"))
