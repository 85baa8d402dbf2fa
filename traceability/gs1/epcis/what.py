"""The what dimension: identifiers and quantities, cut into items (EPCIS 2.0 §7.3.3, commitment.md)."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from traceability.gs1.epcis.fields import identified
from traceability.gs1.epcis.problems import Findings, member, shown
from traceability.gs1.epcis.strict_json import JSON, is_number
from traceability.gs1.identifiers import Identifier, IdentifierError, parse_identifier
from traceability.ledger.parts import ITEM_LIMIT, ITEM_LISTS

Named: TypeAlias = tuple[str, Identifier]
"""The list of EPCIS that an item stands in, and what it is."""

_SINGLE: Final = frozenset({"parentID", "transformationID"})
# The schema of EPCIS 2.0 asks for distinct members in these lists, not in childEPCs.
_DISTINCT: Final = frozenset({"epcList", "inputEPCList", "outputEPCList"})
_QUANTITIES: Final = frozenset({"inputQuantityList", "outputQuantityList", "quantityList", "childQuantityList"})
_QUANTITY_FIELDS: Final = frozenset({"epcClass", "quantity", "uom"})
_UNIT: Final = re.compile(r"[A-Z0-9]{2,3}").fullmatch


def cut_items(event: dict[str, JSON], findings: Findings, *, distinct: bool) -> tuple[list[bytes], list[Named]]:
    """Return the items of an event, each the JSON object that is hashed, and beside them what they name.

    `distinct` tells whether EPCs in the lists of objects, inputs and outputs may stand there only once.
    """
    items: list[bytes] = []
    named: list[Named] = []
    for field in ITEM_LISTS:
        value = event.get(field)
        if value is None:
            if field in event:
                findings.error(f".{field}", "epcis.type", f"{field} is null; a field without a value is left out.")
            continue
        path = f".{field}"
        if field in _SINGLE:
            found = identified(value, path, findings)
            if found is not None:
                items.append(_item(field, found.uri))
                named.append((field, found))
            continue
        if not isinstance(value, list):
            findings.error(path, "epcis.type", f"{field} is an array, not {shown(value)}.")
            continue
        if len(items) + len(value) > ITEM_LIMIT:
            findings.error(path, "epcis.too_many_items", f"An event has at most {ITEM_LIMIT:,} items.")
            break
        if field in _QUANTITIES:
            _cut_quantities(field, value, items, named, findings)
        else:
            _cut_epcs(field, value, items, named, findings, distinct=distinct and field in _DISTINCT)
    return items, named


def _cut_epcs(
    field: str, values: list[JSON], items: list[bytes], named: list[Named], findings: Findings, *, distinct: bool
) -> None:
    # Texts are told apart one by one only where counting them says that some are the same.
    seen: set[str] | None = set() if distinct and len({v for v in values if type(v) is str}) < len(values) else None
    for i, value in enumerate(values):
        try:
            found = parse_identifier(value) if type(value) is str else None
        except IdentifierError:
            found = None
        if found is None:
            identified(value, f".{field}[{i}]", findings)  # once more, to say what is wrong
            continue
        if seen is not None:
            if value in seen:
                findings.error(f".{field}[{i}]", "epcis.repeated_item", f"{shown(value)} stands in {field} twice.")
            seen.add(value)
        items.append(_item(field, found.uri))
        named.append((field, found))


def _cut_quantities(field: str, values: list[JSON], items: list[bytes], named: list[Named], findings: Findings) -> None:
    for i, value in enumerate(values):
        path = f".{field}[{i}]"
        if not isinstance(value, dict):
            findings.error(path, "epcis.type", f"A quantity element is an object, not {shown(value)}.")
            continue
        for name in value.keys() - _QUANTITY_FIELDS:
            message = f"A quantity element has epcClass, quantity and uom, not {shown(name)}."
            findings.error(path + member(name), "epcis.unknown_field", message)
        if "epcClass" not in value:
            findings.error(path, "epcis.missing_field", "A quantity element needs an epcClass.")
            continue
        found = identified(value["epcClass"], f"{path}.epcClass", findings)
        if found is not None:
            items.append(_item(field, found.uri, _measure(value, path, findings)))
            named.append((field, found))


def _measure(value: dict[str, JSON], path: str, findings: Findings) -> str:
    written = ""
    if "quantity" in value:
        quantity = value["quantity"]
        if not is_number(quantity):
            findings.error(f"{path}.quantity", "epcis.quantity", f"A quantity is a number, not {shown(quantity)}.")
        elif str(quantity)[0] == "-":
            findings.error(f"{path}.quantity", "epcis.quantity", f"A quantity is not negative, as {quantity} is.")
        else:
            written = f',"quantity":{quantity}'
    if "uom" in value:
        unit = value["uom"]
        if type(unit) is not str or _UNIT(unit) is None:
            message = f"A unit is a code of UN/ECE Recommendation 20 such as KGM, not {shown(unit)}."
            findings.error(f"{path}.uom", "epcis.uom", message)
        else:
            written += f',"uom":"{unit}"'
            if "quantity" not in value:
                findings.warn(f"{path}.uom", "epcis.quantity", "A unit of measure without a quantity; it is kept.")
    return written


def _item(field: str, uri: str, measure: str = "") -> bytes:
    # A canonical identifier holds neither quotes, backslashes nor control characters, so nothing is escaped.
    return f'{{"list":"{field}","id":"{uri}"{measure}}}'.encode()
