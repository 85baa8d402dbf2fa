"""A time is the same moment in UTC, cut to microseconds, whatever offset it came with."""

import re
from datetime import UTC, date, datetime, time

from hypothesis import example, given, settings
from hypothesis import strategies as st

from traceability.gs1.epcis.times import is_offset, utc

FRACTIONS = st.text("0123456789", max_size=33)
OFFSETS = st.one_of(
    st.sampled_from(["Z", "z", "+00:00", "-00:00", "+14:00", "-14:00", "+14:01", "-14:30", "+13:59", ""]),
    st.builds("{}{:02}:{:02}".format, st.sampled_from("+-"), st.integers(0, 15), st.integers(0, 61)),
)


@settings(max_examples=500)
@given(st.dates(), st.times(), FRACTIONS, OFFSETS)
@example(date(1, 1, 1), time(0), "", "+01:00")
@example(date(9999, 12, 31), time(23, 59, 59), "9", "-00:01")
@example(date(1, 1, 1), time(0), "9999999", "Z")
def test_it_is_what_datetime_says(day: date, clock: time, fraction: str, offset: str) -> None:
    seconds = f"{day.isoformat()}T{clock.isoformat('seconds')}"
    text = f"{seconds}.{fraction}{offset}" if fraction else seconds + offset
    expected = None
    if (offset == "Z" or is_offset(offset)) and len(fraction) <= 32:
        try:
            moment = datetime.fromisoformat(text).astimezone(UTC)
            expected = moment.isoformat(timespec="microseconds")[:26] + "Z"
        except OverflowError:
            pass
    assert utc(text) == expected


def _is_time(text: str) -> bool:
    # Constants of the code are among what is tried.
    return re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9]{2}:[0-9]{2})", text) is not None


@given(st.text("0123456789-:.TZ+ ²", max_size=34).filter(lambda text: not _is_time(text)))
@example("2026-02-30T00:00:00Z")
@example("2026-02-28T24:00:00Z")
@example("2026-02-28T23:60:00Z")
@example("2026-06-30T23:59:60Z")
@example("2026-02-28T23:59:5²Z")
@example("2026-02-28 23:59:59Z")
@example("2026-02-28T23:59:59.Z")
def test_what_is_no_time_is_none(text: str) -> None:
    assert utc(text) is None
