"""Our table of Application Identifiers beside GS1's Barcode Syntax Dictionary and its linters."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from traceability.gs1.application_identifiers import APPLICATION_IDENTIFIERS, QUALIFIERS, validated
from traceability.gs1.check_digits import check_digit, check_pair
from traceability.gs1.errors import IdentifierError

ROOT = Path(__file__).resolve().parents[2]
SYNTAX = (ROOT / os.environ.get("TRACEABILITY_FIXTURES", "../shared/fixtures")).resolve() / "epcis" / "gs1-syntax"
pytestmark = pytest.mark.skipif(not SYNTAX.is_dir(), reason="shared fixtures absent")

COMPONENT = re.compile(r"^(\[?)([NXYZ])(\.\.)?(\d+)\]?((?:,\w+)*)$")
SET_OF_TYPE = {"N": "0123456789", "X": "0Aa_!?", "Y": "0AZ#/-"}
OUTSIDE_OF_TYPE = {"N": "Aa!", "X": "#$@^ ", "Y": "a!_?"}
LEAST_WITH_PREFIX = 4


@dataclass
class Entry:
    least: int
    most: int
    types: str
    linters: set[str]
    qualifiers: tuple[tuple[str, ...], ...] | None


def dictionary() -> dict[str, Entry]:
    entries = {}
    for line in (SYNTAX / "gs1-syntax-dictionary.txt").read_text(encoding="utf-8").splitlines():
        fields = line.partition("#")[0].split()
        if not fields or not fields[0].isdigit():
            continue
        entry = Entry(0, 0, "", set(), None)
        for field in fields[1:]:
            if component := COMPONENT.match(field):
                optional, kind, upto, length, linters = component.groups()
                entry.least += 0 if optional else 1 if upto else int(length)
                entry.most += int(length)
                entry.types += kind
                entry.linters |= set(linters.split(",")) - {""}
            elif field.startswith("dlpkey"):
                sequences = field.partition("=")[2]
                entry.qualifiers = tuple(tuple(s.split(",")) if s else () for s in sequences.split("|"))
        entries[fields[0]] = entry
    return entries


def test_primary_keys_and_the_order_of_their_qualifiers() -> None:
    keys = {code: entry.qualifiers for code, entry in dictionary().items() if entry.qualifiers is not None}
    assert keys == QUALIFIERS
    used = {code for sequences in keys.values() for sequence in sequences for code in sequence}
    assert APPLICATION_IDENTIFIERS.keys() == keys.keys() | used


@pytest.mark.parametrize("code", sorted(APPLICATION_IDENTIFIERS))
def test_format_of(code: str) -> None:
    ours, theirs = APPLICATION_IDENTIFIERS[code], dictionary()[code]
    least = theirs.least
    if theirs.linters & {"gcppos1", "gcppos2"}:
        least = max(least, LEAST_WITH_PREFIX + (2 if "csumalpha" in theirs.linters else 0))
    assert (ours.least, ours.most) == (least, theirs.most)
    assert (ours.checked is not None) == ("csum" in theirs.linters)
    allowed = re.compile(ours.characters)
    kind = theirs.types[-1]
    assert all(allowed.fullmatch(character) for character in SET_OF_TYPE[kind])
    assert not any(allowed.fullmatch(character) for character in OUTSIDE_OF_TYPE[kind])


def accepts(code: str, value: str) -> bool:
    try:
        validated(code, value)
    except IdentifierError:
        return False
    return True


def linter_cases(name: str) -> list[tuple[str, bool]]:
    cases = json.loads((SYNTAX / "gs1-linter-vectors.json").read_text(encoding="utf-8"))[name]
    assert cases
    return [(case["value"], case["ok"]) for case in cases]


# What to put before a linter's input to make a whole value, and the lengths of input that the value has room for.
WRAPPED = {
    "cset82": ("10", "", range(1, 21)),
    "cset39": ("8010", "9521", range(1, 27)),
    "csetnumeric": ("8019", "", range(1, 11)),
    "nozeroprefix": ("8011", "", range(1, 13)),
    "pieceoftotal": ("8006", "09521234000013", range(4, 5)),
    "importeridx": ("7040", "1AB", range(1, 2)),
}


@pytest.mark.parametrize("name", sorted(WRAPPED))
def test_values_as_the_linter_judges_them(name: str) -> None:
    code, before, lengths = WRAPPED[name]
    fitting = [(value, ok) for value, ok in linter_cases(name) if len(value) in lengths]
    assert {value for value, ok in fitting if accepts(code, before + value) != ok} == set()
    assert {ok for _, ok in fitting} == {True, False}


def test_check_digits_as_the_linter_judges_them() -> None:
    for value, ok in linter_cases("csum"):
        digits = value.isascii() and value.isdigit() and len(value) > 1
        assert (digits and check_digit(value[:-1]) == value[-1]) == ok


def test_check_characters_as_the_linter_judges_them() -> None:
    most = APPLICATION_IDENTIFIERS["8013"].most
    for value, ok in linter_cases("csumalpha"):
        if 2 < len(value) <= most and re.fullmatch(APPLICATION_IDENTIFIERS["8013"].characters + "*", value[:-2]):
            assert (check_pair(value[:-2]) == value[-2:]) == ok
        else:
            assert not accepts("8013", value)
