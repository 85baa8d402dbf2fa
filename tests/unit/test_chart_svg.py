from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from api.web.chart import HEIGHT, WIDTH, Band, Reading, outside, svg
from api.web.drawing import Caption

SVG = "{http://www.w3.org/2000/svg}"
HOUR = 3_600_000_000
START = 1_756_900_800_000_000


def drawn(readings: list[Reading], band: Band | None = None, title: str = "t") -> ET.Element:
    return ET.fromstring(svg(readings, band, Caption("c", title, "d"), unit="°C"))


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


def test_few_enough_labels_to_read_on_a_phone() -> None:
    for hours in (1, 7, 30, 99, 700, 9000):
        readings = [Reading(START + i * HOUR * hours // 20, float(i % 4)) for i in range(21)]
        below = [tick for tick in marks(drawn(readings), "tick") if float(tick.attrib["y"]) > HEIGHT - 20]
        assert 1 <= len(below) <= 6


def test_hostile_text_stays_text() -> None:
    document = drawn([Reading(START, 1.0)], title="<script>")
    assert document.find(f"{SVG}title").text == "<script>"  # type: ignore[union-attr]
