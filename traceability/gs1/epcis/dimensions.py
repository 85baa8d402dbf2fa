"""The where and why dimensions, certifications and master data in canonical form (EPCIS 2.0 §7.3.4 to §7.3.7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from traceability.gs1.epcis.context import Names
from traceability.gs1.epcis.fields import Check, canonical_object, identifier_field, is_uri, objects, type_field
from traceability.gs1.epcis.problems import Findings, member, shown
from traceability.gs1.epcis.strict_json import JSON
from traceability.gs1.epcis.times import utc
from traceability.gs1.epcis.vocabulary import SOURCE_TYPE, TRANSACTION_TYPE
from traceability.gs1.identifiers import IdentifierError, read_identifier

_DATE: Final = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])", re.ASCII).fullmatch
_WEB_VOCABULARY_DATE: Final = re.compile(r"https?://(?:www\.|ref\.)?gs1\.org/voc/\w+Date(?:Time)?").fullmatch


def cut_place(field: str, value: JSON, names: Names, findings: Findings) -> dict[str, JSON] | None:
    """Return a read point or business location: its identifier and extensions."""
    path = f".{field}"
    if not isinstance(value, dict):
        findings.error(path, "epcis.type", f'{field} is an object {{"id": …}}, not {shown(value)}.')
        return None
    if "id" not in value:
        findings.error(path, "epcis.missing_field", f"{field} needs an id.")
        return None
    if len(value) == 1:  # as nearly always
        return {"id": identifier_field(value["id"], names, f"{path}.id", findings)}
    return canonical_object(value, _PLACE, names, path, findings)


def cut_business_list(field: str, value: JSON, names: Names, findings: Findings) -> list[JSON] | None:
    """Return a list of business transactions, sources or destinations."""
    path = f".{field}"
    if not isinstance(value, list):
        findings.error(path, "epcis.type", f"{field} is an array, not {shown(value)}.")
        return None
    target, required, checks = _BUSINESS[field]
    found: list[JSON] = []
    for at, element in objects(value, path, f"An element of {field}", findings):
        for name in required:
            if name not in element:
                findings.error(at, "epcis.missing_field", f"An element of {field} needs a {name}.")
        canonical: dict[str, JSON] = {}
        for name, inner in element.items():
            check = checks.get(name)
            if check is None:
                message = f"An element of {field} has type and {target}, not {shown(name)}."
                findings.error(at + member(name), "epcis.unknown_field", message)
            else:
                canonical[name] = check(inner, names, f"{at}.{name}", findings)
        found.append(canonical)
    return found


def cut_ilmd(value: JSON, names: Names, findings: Findings) -> dict[str, JSON] | None:
    """Return the instance or lot master data: extensions only, each under its namespace (EPCIS 2.0 §7.3.7)."""
    path = ".ilmd"
    if not isinstance(value, dict):
        findings.error(path, "epcis.type", f"ilmd is an object, not {shown(value)}.")
        return None
    return canonical_object(value, {}, names, path, findings)


def cut_certification(value: JSON, names: Names, findings: Findings) -> JSON:
    """Return the certification: one URI (EPCIS 2.0 §7.4.1), or certifications in GS1's Web Vocabulary."""
    path = ".certificationInfo"
    if isinstance(value, dict):
        return _certification(value, names, path, findings)
    if isinstance(value, list) and value and all(isinstance(element, dict) for element in value):
        return [_certification(element, names, f"{path}[{i}]", findings) for i, element in enumerate(value)]
    single = value[0] if isinstance(value, list) and len(value) == 1 else value
    if not is_uri(single):
        message = f"certificationInfo is one URI or objects that describe certifications, not {shown(single)}."
        findings.error(path, "epcis.certification", message)
    return value


def _certification(value: dict[str, JSON], names: Names, path: str, findings: Findings) -> JSON:
    expanded = names.expanded(value, path, findings)
    pending = [expanded]
    while pending:
        found = pending.pop()
        if isinstance(found, list):
            pending += found
        elif isinstance(found, dict):
            pending += found.values()
            for name, inner in found.items():
                date = inner.get("@value") if isinstance(inner, dict) else inner
                if _WEB_VOCABULARY_DATE(name) and not _is_date(date):
                    message = f"{name.rpartition('/')[2]} is a date, not {shown(date)}."
                    findings.error(path, "epcis.certification", message)
    return expanded


def _is_date(value: JSON) -> bool:
    return type(value) is str and (_DATE(value) is not None or utc(value) is not None)


def _transaction(value: JSON, _names: Names, path: str, findings: Findings) -> JSON:
    """Any URI names a transaction; one that breaks GS1's rules for its form is kept as it is (CBV 2.0 §8.5)."""
    if type(value) is not str:
        findings.error(path, "epcis.type", f"A business transaction is a URI, not {shown(value)}.")
        return None
    try:
        found, broken = read_identifier(value)
    except IdentifierError as error:
        findings.error(path, error.code, error.message)
        return None
    if broken is not None:
        findings.warn(path, broken.code, f"{broken.message} It is kept as written.")
    return found.uri


_PLACE: Final[Mapping[str, Check]] = {"id": identifier_field, "type": type_field}
_TRANSACTION: Final[Mapping[str, Check]] = {"type": TRANSACTION_TYPE.word, "bizTransaction": _transaction}
# The member that each list is about, those that an element needs, and the checks of all that it may have.
_BUSINESS: Final[Mapping[str, tuple[str, tuple[str, ...], Mapping[str, Check]]]] = {
    "bizTransactionList": ("bizTransaction", ("bizTransaction",), _TRANSACTION),
    "sourceList": ("source", ("type", "source"), {"type": SOURCE_TYPE.word, "source": identifier_field}),
    "destinationList": (
        "destination", ("type", "destination"), {"type": SOURCE_TYPE.word, "destination": identifier_field}
    ),
}  # fmt: skip
