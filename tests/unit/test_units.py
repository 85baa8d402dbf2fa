"""Units of measure are exact, and a kind is one scale."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceability.gs1.units import _KINDS, _units, unit


def in_reference(amount: str, code: str) -> Fraction:
    return unit(code).reference(Fraction(amount))


@pytest.mark.parametrize(
    "equal",
    [
        [("0", "CEL"), ("273.15", "KEL"), ("32", "FAH"), ("491.67", "A48")],
        [("-40", "CEL"), ("-40", "FAH")],
        [("1", "BAR"), ("1000", "MBR"), ("100000", "PAL"), ("1000", "A97")],
        [("760", "UA"), ("1", "ATM"), ("101325", "PAL")],
        [("16", "ONZ"), ("1", "LBR"), ("453.59237", "GRM")],
        [("1", "STN"), ("2000", "LBR"), ("907.18474", "KGM")],
        [("1", "GLL"), ("8", "PTL"), ("128", "OZA"), ("231", "INQ"), ("3.785411784", "LTR")],
        [("1", "SMI"), ("1760", "YRD"), ("5280", "FOT"), ("63360", "INH")],
        [("1", "ACR"), ("43560", "FTK")],
        [("36", "KMH"), ("10", "MTS")],
        [("1", "KWH"), ("3600", "KJO")],
        [("1", "HUR"), ("3600", "SEC")],
        [("1", "PS"), ("144", "K85")],
        [("50", "P1"), ("500", "NX")],
        [("2", "DZN"), ("24", "H87"), ("12", "PR")],
    ],
)
def test_what_is_equal_is_equal_to_the_last_digit(equal: list[tuple[str, str]]) -> None:
    assert len({in_reference(*one) for one in equal}) == 1
    assert len({unit(code).kind for _, code in equal}) == 1


def test_a_difference_has_no_zero() -> None:
    one = Fraction(1)
    assert unit("CEL").reference(one, difference=True) == unit("KEL").reference(one, difference=True) == one
    assert unit("FAH").reference(one, difference=True) == Fraction(5, 9)


def test_an_unknown_code_is_a_kind_of_its_own() -> None:
    assert unit("ZZZ").kind == "ZZZ"
    assert unit("CEL").kind != unit("KGM").kind


def test_no_code_stands_in_two_kinds() -> None:
    assert sum(len(text.split()) for text in _KINDS.values()) == len(_units()) > 300


@given(st.sampled_from(sorted(_units())), st.fractions(), st.fractions())
def test_order_is_kept(code: str, left: Fraction, right: Fraction) -> None:
    known = unit(code)
    assert (left < right) == (known.reference(left) < known.reference(right))
