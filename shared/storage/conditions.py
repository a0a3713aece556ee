"""What `name=value` and a name mean of attributes, the same wherever they are asked for: listings, samples, strata.

Dots lead into nested attributes, but a name may have dots itself. A list has each of its values. A value is the text
as it is written, and the number, truth value or null that it spells: 3 finds 3, 3.0 and "3".
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import sqlalchemy as sa

from shared.errors import InvalidRequest
from shared.storage.database import Transaction
from shared.wording import nearest

_NAMES_SHOWN: Final = 20
_MOST_DIGITS: Final = 300  # before or behind the point: Postgres' numbers end somewhere, and nobody's attributes there


class BadCondition(InvalidRequest):
    """Write `name=value`, such as `etiology=ALS`; dots lead into nested ones, and a list has each of its values."""

    code = "bad_condition"


class UnknownAttribute(InvalidRequest):
    """Use an attribute that recordings of the collection have; dots lead into nested ones."""

    code = "unknown_attribute"


def matching(conditions: Iterable[str]) -> str:
    """A jsonpath predicate that is true of attributes to which all of these apply. Raises BadCondition.

    In jsonpath's lax mode a list has each of its values, and a path leads through the members of a list.
    """
    return " && ".join(f"({_predicate(condition)})" for condition in conditions)


@dataclass(frozen=True, slots=True)
class Population:
    """What may be drawn, as expressions over the attributes `a.data` and the values that they name."""

    having: str
    excluded: str  # never NULL
    values: dict[str, str]


def population(where: Sequence[str], exclude: Sequence[str]) -> Population:
    """All of `where`, and none of `exclude`. Raises BadCondition."""
    any_of = " || ".join(matching([condition]) for condition in exclude)
    return Population(
        "a.data @@ CAST(:where AS jsonpath)" if where else "true",
        "coalesce(a.data @@ CAST(:exclude AS jsonpath), false)" if exclude else "false",
        {"where": matching(where), "exclude": any_of},
    )


def name_of(condition: str) -> str:
    """The attribute that a condition is about. Raises BadCondition."""
    return _parsed(condition)[0]


def _parsed(condition: str) -> tuple[str, str]:
    name, separator, value = condition.partition("=")
    if not separator or not all(name.split(".")):
        raise BadCondition(f"{condition!r} is not of the form name=value.")
    return name, value


def _predicate(condition: str) -> str:
    name, value = _parsed(condition)
    return " || ".join(f"{path} == {constant}" for path in paths_of(name) for constant in _constants(value))


def paths_of(name: str) -> list[str]:
    """The jsonpaths of an attribute: a column may be called `a.b`, and `a` may have a `b`."""
    nested = "$." + ".".join(json.dumps(part) for part in name.split("."))
    return sorted({nested, f"$.{json.dumps(name)}"})


def _constants(value: str) -> list[str]:
    """The text itself, and the number, truth value or null that it spells."""
    text = json.dumps(value)
    try:
        spelt = json.loads(value, parse_constant=str, parse_float=Decimal)
    except (ValueError, RecursionError):
        return [text]
    match spelt:
        case None | bool():
            return [text, json.dumps(spelt)]
        case int() | Decimal() if abs(Decimal(spelt).adjusted()) <= _MOST_DIGITS:
            return [text, value.strip()]
        case _:
            return [text]


VALUE: Final = """
    (SELECT CASE WHEN count(*) > 1 THEN '[' || string_agg(m.text, ', ' ORDER BY m.place) || ']' ELSE min(m.text) END
     FROM (SELECT v.place, CASE WHEN jsonb_typeof(v.value) = 'number'
                                THEN trim_scale(CAST(v.value AS numeric))::text ELSE v.value #>> '{{}}' END AS text
           FROM unnest(CAST(:{name} AS jsonpath[])) WITH ORDINALITY AS p(path, n)
           CROSS JOIN LATERAL jsonb_path_query({data}, p.path) WITH ORDINALITY AS v(value, place)) AS m)
"""
"""An expression for the value of an attribute as text, NULL without it: equal for what a condition takes for equal.

`data` is the column; the parameter `name` gets the paths of `value_paths`. A list of several values is one of its own.
"""


def value_paths(name: str) -> list[str]:
    """Where the values of an attribute are, each member of a list by itself."""
    return [f"{path}[*]" for path in paths_of(name)]


_ANYBODY_HAS = sa.text("""
    SELECT EXISTS (SELECT FROM object_attributes a CROSS JOIN unnest(CAST(:paths AS jsonpath[])) AS p(path)
                   WHERE a.collection = :collection AND a.data @? p.path)
""")
_NAMES = sa.text("""
    SELECT DISTINCT jsonb_object_keys(data) AS name FROM object_attributes WHERE collection = :collection ORDER BY name
""")


def check_names(tx: Transaction, collection: str, names: Iterable[str]) -> None:
    """Raises UnknownAttribute for the first that no object of the collection has, with those that there are."""
    for name in names:
        if not tx.execute(_ANYBODY_HAS, {"collection": collection, "paths": paths_of(name)}).scalar_one():
            known = list(tx.execute(_NAMES, {"collection": collection}).scalars())
            raise UnknownAttribute(f"No recording of {collection!r} has an attribute {name!r}{_instead(name, known)}.")


def _instead(name: str, known: list[str]) -> str:
    near = nearest(name, known)
    meant = f"; did you mean {near!r}?" if near else ""
    listed = ", ".join(known[:_NAMES_SHOWN]) + (", ..." if len(known) > _NAMES_SHOWN else "")
    return f"{meant or ';'} there are: {listed or 'none'}"


_SOMETHING_HAS = sa.text("""
    SELECT EXISTS (SELECT FROM object_attributes WHERE collection = :collection AND data @@ CAST(:having AS jsonpath))
""")


def _met(tx: Transaction, collection: str, condition: str) -> bool:
    """By any object of the collection."""
    values = {"collection": collection, "having": matching([condition])}
    met: bool = tx.execute(_SOMETHING_HAS, values).scalar_one()
    return met


def without_effect(tx: Transaction, collection: str, exclude: Iterable[str]) -> list[str]:
    """A sentence for each exclusion that no object of the collection meets, with what it may have meant."""
    sentences = []
    for condition in exclude:
        if not _met(tx, collection, condition):
            known = known_values(tx, collection, [condition])
            sentences.append(f"Nothing had {condition}: nothing was excluded by it. {known}".strip())
    return sentences


_VALUES = sa.text("""
    SELECT DISTINCT v.value #>> '{}' AS value FROM object_attributes a
    CROSS JOIN unnest(CAST(:paths AS jsonpath[])) AS p(path)
    CROSS JOIN LATERAL jsonb_path_query(a.data, p.path) AS v(value)
    WHERE a.collection = :collection ORDER BY 1 LIMIT :most
""")


def known_values(tx: Transaction, collection: str, conditions: Iterable[str]) -> str:
    """A sentence for each condition whose value nothing has, with the values that there are if they are few."""
    unmet = (condition for condition in conditions if not _met(tx, collection, condition))
    return " ".join(filter(None, (_known_values(tx, collection, *_parsed(condition)) for condition in unmet)))


def _known_values(tx: Transaction, collection: str, name: str, value: str) -> str:
    query = {"collection": collection, "paths": value_paths(name), "most": _NAMES_SHOWN + 1}
    found = list(tx.execute(_VALUES, query).scalars())
    if not found or len(found) > _NAMES_SHOWN:
        return ""
    near = nearest(value, [str(one) for one in found])
    meant = f" Did you mean {near!r}?" if near else ""
    return f"{name} is nowhere {value!r}, but one of: {', '.join(map(str, found))}.{meant}"
