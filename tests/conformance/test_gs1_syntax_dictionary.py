"""Our table of Application Identifiers beside GS1's Barcode Syntax Dictionary, our linters beside its test vectors."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from traceability.gs1 import coupons, linters
from traceability.gs1.application_identifiers import APPLICATION_IDENTIFIERS, QUALIFIERS
from traceability.gs1.linters import Linter

ROOT = Path(__file__).resolve().parents[2]
SYNTAX = (ROOT / os.environ.get("TRACEABILITY_FIXTURES", "../shared/fixtures")).resolve() / "epcis" / "gs1-syntax"
pytestmark = pytest.mark.skipif(not SYNTAX.is_dir(), reason="shared fixtures absent")

COMPONENT = re.compile(r"\[?[NXYZ](?:\.\.)?[0-9]+\]?(?:,\w+)*")
NO_LIST_OF_PREFIXES = (
    "it takes the test's own list of company prefixes, or its absence; we refuse none for lack of a list"
)
LINTER_DEVIATIONS = dict.fromkeys(
    [
        ("gcppos1", "1234567"),
        ("gcppos2", "I1234567"),
        ("couponcode", "012345612345611110123101101230123456"),
        ("couponcode", "01234561234561111012321101230123456"),
        ("couponcode", "012345612345611110123611234567"),
    ],
    NO_LIST_OF_PREFIXES,
)


def described() -> Iterator[tuple[str, tuple[object, ...]]]:
    """Yield for each Application Identifier of the dictionary what it says, in the terms of our table."""
    for line in (SYNTAX / "gs1-syntax-dictionary.txt").read_text(encoding="utf-8").splitlines():
        fields = line.partition("#")[0].split()
        if not fields or not fields[0][0].isdigit():
            continue
        codes, flags = fields[0], fields[1] if re.fullmatch(r"[*?]+", fields[1]) else ""
        named = {name: value for name, _, value in (field.partition("=") for field in fields)}
        components = [
            re.sub(r"\[(\w+(?:\.\.)?\d*)\]((?:,\w+)*)", r"[\1\2]", f) for f in fields if COMPONENT.fullmatch(f)
        ]
        first, _, last = codes.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield (
                f"{number:0{len(first)}}",
                (
                    " ".join(components).replace(",", ":"),
                    tuple(tuple(group.split("+")) for group in named.get("req", "").split(",") if group),
                    tuple(code for code in named.get("ex", "").split(",") if code),
                    tuple(tuple(s.split(",")) if s else () for s in named["dlpkey"].split("|"))
                    if "dlpkey" in named
                    else None,
                    "?" in flags,
                    "*" not in flags,
                ),
            )


def test_every_application_identifier_is_as_the_dictionary_has_it() -> None:
    ours = {
        code: (ai.format, ai.needs, ai.excludes, ai.qualifiers, ai.attribute, ai.fnc1)
        for code, ai in APPLICATION_IDENTIFIERS.items()
    }
    assert ours == dict(described())
    assert len(ours) > 500
    assert {code for code, ai in APPLICATION_IDENTIFIERS.items() if ai.qualifiers is not None} == QUALIFIERS.keys()


def linter_named(name: str) -> Linter:
    found: Linter = getattr(linters, name, None) or getattr(coupons, name)
    return found


def judged_alike(name: str, case: dict[str, Any]) -> bool:
    text, fault = case["value"], linter_named(name)(case["value"])
    if fault is None:
        return bool(case["ok"])
    start, stop = fault[1:]
    marked = f"{text[:start]}*{text[start:stop]}*{text[stop:]}"
    return not case["ok"] and (fault.error, marked) == (case["error"], case["marked"])


VECTORS = json.loads((SYNTAX / "gs1-linter-vectors.json").read_text(encoding="utf-8")) if SYNTAX.is_dir() else {}
LINTERS = sorted(VECTORS.keys() - {"_meta"})


@pytest.mark.parametrize("name", LINTERS)
def test_values_as_the_linter_judges_them(name: str) -> None:
    assert VECTORS[name]
    differing = {(name, case["value"]) for case in VECTORS[name] if not judged_alike(name, case)}
    assert differing == {known for known in LINTER_DEVIATIONS if known[0] == name}


def test_there_are_vectors_of_every_linter_that_a_format_names() -> None:
    named = {name for ai in APPLICATION_IDENTIFIERS.values() for name in re.findall(r":(\w+)", ai.format)}
    assert named <= set(LINTERS)
    assert sum(len(VECTORS[name]) for name in LINTERS) > 3000
