from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from api.web.chart import HEIGHT, WIDTH, Band, Reading, Shade, Stretch, outside, shade_key, svg
from api.web.drawing import Caption

SVG = "{http://www.w3.org/2000/svg}"
HOUR = 3_600_000_000
START = 1_756_900_800_000_000


def drawn(
    readings: list[Reading], band: Band | None = None, title: str = "t", stretches: list[Stretch] | None = None
) -> ET.Element:
    return ET.fromstring(svg(readings, band, Caption("c", title, "d"), unit="°C", stretches=stretches))


def torn(shade: Shade, since: float, until: float) -> Stretch:
    return Stretch(shade, START + int(since * HOUR), START + int(until * HOUR))


def marks(document: ET.Element, name: str) -> list[ET.Element]:
    return [element for element in document.iter() if element.get("class") == name]


readings_of_any_kind = st.lists(
    st.builds(
        Reading,
        st.integers(START, START + 400 * 24 * HOUR),
        st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 3)),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)
bands = st.none() | st.tuples(st.integers(-50, 50), st.integers(0, 50)).map(lambda b: Band(b[0], b[0] + b[1]))


@given(readings_of_any_kind, bands)
def test_everything_is_drawn_inside_the_frame(readings: list[Reading], band: Band | None) -> None:
    document = drawn(readings, band)
    points = [
        tuple(map(float, point))
        for element in [*marks(document, "line"), *marks(document, "excursion")]
        for point in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", element.attrib["d"])
    ]
    assert points
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert len(marks(document, "reading")) + len(marks(document, "excursion")) == len(readings)
    assert len(marks(document, "excursion")) == sum(outside(reading, band) for reading in readings)


def test_order_of_arrival_does_not_matter() -> None:
    readings = [Reading(START + i * HOUR, float(i)) for i in range(5)]
    caption = Caption("c", "t", "d")
    assert svg(readings, None, caption, unit="°C") == svg(readings[::-1], None, caption, unit="°C")


def test_an_alarm_and_a_value_outside_the_band_are_excursions() -> None:
    band = Band(0, 5)
    assert outside(Reading(0, 3.0, alarm=True), None)
    assert outside(Reading(0, 5.1), band)
    assert not outside(Reading(0, 5.0), band)
    assert not outside(Reading(0, 90.0), None)


def test_a_long_pause_interrupts_the_line() -> None:
    times = [0, 1, 2, 3, 30, 31]
    (line,) = marks(drawn([Reading(START + i * HOUR, 2.0) for i in times]), "line")
    assert line.attrib["d"].count("M") == 2


def test_gaps_that_are_told_interrupt_the_line_and_nothing_else_does() -> None:
    readings = [Reading(START + i * HOUR, 2.0) for i in (0, 1, 2, 3, 30, 31)]
    (whole,) = marks(drawn(readings, stretches=[]), "line")
    assert whole.attrib["d"].count("M") == 1
    (line,) = marks(drawn(readings, stretches=[torn(Shade.OUT, 3, 30), torn(Shade.GAP, 30.5, 31)]), "line")
    assert re.findall("[ML]", line.attrib["d"]) == ["M", "L", "L", "L", "L", "M"]


def test_stretches_are_shaded_by_kind_and_numbered_as_in_the_table() -> None:
    stretches = [torn(Shade.OUT, 1, 3), torn(Shade.GAP, 4, 6), torn(Shade.OUT, 7, 7)]
    document = drawn([Reading(START, 2.0), Reading(START + 5 * HOUR, 2.0)], stretches=stretches)
    assert [number.text for number in marks(document, "number")] == ["1", "2", "3"]
    (gap,) = marks(document, "shade gap")
    first, last = marks(document, "shade out")
    assert float(first.attrib["width"]) == float(gap.attrib["width"]) > 20
    # One that lasted no time is seen too, inside of the frame although it is after the last reading.
    assert 0 < float(last.attrib["width"]) < 5
    assert float(last.attrib["x"]) < WIDTH
    sides, hatching = (marks(document, f"shade-line {kind}")[0].attrib["d"] for kind in ("out", "gap"))
    assert ("V" in sides.upper(), "L" in sides) == (True, False)
    assert hatching.count("L") > 5


@given(st.lists(st.tuples(st.sampled_from(Shade), st.integers(0, 400), st.integers(0, 40)), max_size=60))
def test_shades_stay_inside_the_frame_and_numbers_apart(told: list[tuple[Shade, int, int]]) -> None:
    stretches = [torn(shade, since, since + length) for shade, since, length in sorted(told, key=lambda one: one[1])]
    document = drawn([Reading(START, 2.0), Reading(START + 5 * HOUR, 2.0)], stretches=stretches)
    for box in (element for element in document.iter() if (element.get("class") or "").startswith("shade ")):
        left, width = float(box.attrib["x"]), float(box.attrib["width"])
        assert width > 0
        assert 0 <= left <= left + width <= WIDTH
    numbers = [float(number.attrib["x"]) for number in marks(document, "number")]
    assert all(later - earlier >= 12 for earlier, later in pairwise(numbers))


def test_the_keys_of_the_legend_look_like_the_shades() -> None:
    for shade in Shade:
        assert f"shade-line {shade}" in shade_key(shade)


def test_few_enough_labels_to_read_on_a_phone() -> None:
    for hours in (1, 7, 30, 99, 700, 9000):
        readings = [Reading(START + i * HOUR * hours // 20, float(i % 4)) for i in range(21)]
        below = [tick for tick in marks(drawn(readings), "tick") if float(tick.attrib["y"]) > HEIGHT - 20]
        assert 1 <= len(below) <= 6


def test_hostile_text_stays_text() -> None:
    document = drawn([Reading(START, 1.0)], title="<script>")
    assert document.find(f"{SVG}title").text == "<script>"  # type: ignore[union-attr]
