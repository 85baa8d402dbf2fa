"""What fields of several dimensions have in common: objects of known fields and extensions, and checks of values.

A check returns the canonical value. Inside an object the members keep the order in which they came; extensions stay
where they are, under full IRIs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

from traceability.gs1.epcis.context import Names
from traceability.gs1.epcis.problems import Findings, member, shown
from traceability.gs1.epcis.strict_json import CONTAINERS, JSON
from traceability.gs1.epcis.times import utc
from traceability.gs1.identifiers import MAX_LENGTH, Identifier, IdentifierError, is_absolute_uri, parse_identifier

Check: TypeAlias = Callable[[JSON, Names, str, Findings], JSON]
"""Value, names in force, path, findings → canonical value, of no use when an error was noted."""


# Places, parties and devices are few and come again and again.
_CACHED: Final = 4096
_CACHED_LENGTH: Final = 256


def objects(values: list[JSON], path: str, name: str, findings: Findings) -> Iterator[tuple[str, dict[str, JSON]]]:
    """Yield the path of each object of an array and the object; note what is none, `name` being what it should be."""
    for i, value in enumerate(values):
        at = f"{path}[{i}]"
        if isinstance(value, dict):
            yield at, value
        else:
            findings.error(at, "epcis.type", f"{name} is an object, not {shown(value)}.")


def identified(value: JSON, path: str, findings: Findings) -> Identifier | None:
    """Return what an identifier means, None with an error noted when it is none."""
    if type(value) is not str:
        findings.error(path, "epcis.type", f"An identifier is a string, not {shown(value)}.")
        return None
    try:
        return parse_identifier(value)
    except IdentifierError as error:
        findings.error(path, error.code, error.message)
        return None


def identifier_field(value: JSON, _names: Names, path: str, findings: Findings) -> JSON:
    """Check the identifier of a place, party or device; its canonical URI stands for it."""
    if type(value) is str and len(value) <= _CACHED_LENGTH:
        try:
            return _canonical(value)
        except IdentifierError:
            pass  # said below, with its place
    found = identified(value, path, findings)
    return None if found is None else found.uri


@lru_cache(maxsize=_CACHED)
def _canonical(text: str) -> str:
    return parse_identifier(text).uri


def is_uri(value: JSON) -> bool:
    """Tell whether a value is an absolute URI that can be seen, and not too long."""
    return type(value) is str and len(value) <= MAX_LENGTH and is_absolute_uri(value)


def uri_field(value: JSON, _names: Names, path: str, findings: Findings) -> JSON:
    """Check a URI that is a reference, not an identifier of a thing, and so stays as it is."""
    if not is_uri(value):
        findings.error(path, "epcis.uri", f"A full URI belongs here, not {shown(value)}.")
    return value


def time_field(value: JSON, _names: Names, path: str, findings: Findings) -> JSON:
    """Check a time, which stays as it is."""
    if type(value) is not str or utc(value) is None:
        message = f"A time has a date, a time of day and an offset from UTC; {shown(value)} has not."
        findings.error(path, "epcis.time", message)
    return value


def text_field(value: JSON, _names: Names, path: str, findings: Findings) -> JSON:
    """Check a string."""
    if type(value) is not str:
        findings.error(path, "epcis.type", f"A string belongs here, not {shown(value)}.")
    return value


def type_field(value: JSON, names: Names, path: str, findings: Findings) -> JSON:
    """Check the JSON-LD type of an object, a name that is resolved like a member's."""
    if type(value) is not str:
        findings.error(path, "epcis.type", f"A type is a name, not {shown(value)}.")
        return None
    return names.iri(value) or value


def unknown_field(name: str, names: Names, path: str, findings: Findings) -> bool:
    """Refuse a bare name in a place where EPCIS has none of that name and no context could have declared it."""
    if ":" in name or names.foreign or names.iri(name) is not None:
        return False
    findings.error(
        path + member(name),
        "epcis.unknown_field",
        f"EPCIS has no field {shown(name)} here; an extension's name carries the prefix of its namespace.",
    )
    return True


def canonical_object(
    value: dict[str, JSON], checks: Mapping[str, Check], names: Names, path: str, findings: Findings
) -> dict[str, JSON]:
    """Return an object of known fields, each checked, and extensions."""
    if "@context" in value:
        names = names.within(value["@context"], findings, path)
    found: dict[str, JSON] = {}
    for name, inner in value.items():
        check = checks.get(name)
        if check is not None:
            found[name] = check(inner, names, f"{path}.{name}", findings)
        elif name != "@context" and not unknown_field(name, names, path, findings):
            extension(name, inner, names, path, findings, into=found)
    return found


def extension(name: str, value: JSON, names: Names, path: str, findings: Findings, *, into: dict[str, JSON]) -> None:
    """Put an extension under its IRI `into` an object."""
    iri = names.named(name, path, findings)
    if iri in into:
        names.repeated(iri, path + member(name), findings)
    into[iri] = names.expanded(value, path + member(name), findings) if isinstance(value, CONTAINERS) else value
