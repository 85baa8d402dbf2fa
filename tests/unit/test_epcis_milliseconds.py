"""Times as the CBV event hash writes them: in UTC, with three decimals, rounded half up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from traceability.gs1.epcis.times import milliseconds


@pytest.mark.parametrize("time", ["2026-02-30T08:15:00.000Z", "0000-01-01T00:00:00.000Z", "2026-01-01T24:00:00.000Z"])
def test_a_time_in_the_usual_form_has_to_be_one(time: str) -> None:
    assert milliseconds(time) is None


_DAYS = st.sampled_from(
    ["2026-03-01", "2024-02-29", "2026-02-29", "0001-01-01", "9999-12-31", "2026-3-001", "2026-03-1²"]
)
_HOURS = st.sampled_from(["T00:00", "T08:15", "T23:59", "T24:00", "T23:60", "t08:15", "T08-15", "T0²:15"])
_SECONDS = st.sampled_from([":00", ":59", ":60", ":0²", ":5", " 00"])
_SHIFTS = st.sampled_from(
    ["+00:00", "-00:00", "+01:00", "-05:30", "+14:00", "-14:01", "+13:59", "+1:000", "-²5:00", "Z"]
)


@settings(max_examples=500)
@given(st.tuples(_DAYS, _HOURS, _SECONDS, st.sampled_from(["000", "499", "999", "12²", "1.5", "12Z", "+01"]), _SHIFTS))
@example(("2026-03-01", "T08:15", ":59", "999", "-05:30"))
@example(("0001-01-01", "T00:00", ":00", "000", "+01:00"))
def test_times_with_an_offset_are_read_the_short_way_as_the_long_one(pieces: tuple[str, ...]) -> None:
    day, hour, second, fraction, shift = pieces
    short = milliseconds(f"{day}{hour}{second}.{fraction}{shift}")
    assert short == milliseconds(f"{day}{hour}{second}.{fraction}0{shift}")


@given(st.datetimes(), st.integers(0, 999_999_999))
def test_times_are_rounded_half_up(moment: Any, nanoseconds: int) -> None:
    text = f"{moment:%Y}".zfill(4) + f"{moment:-%m-%dT%H:%M:%S}.{nanoseconds:09}Z"
    found = milliseconds(text)
    if found is None:
        assert text.startswith("9999-12-31T23:59:59.9")
        return
    seconds = Decimal(text[17:-1])
    rounded = (seconds * 1000 + Decimal("0.5")) // 1 / 1000
    assert Decimal(found[17:-1]) == (rounded if rounded < 60 else 0)
    assert len(found) == 24
