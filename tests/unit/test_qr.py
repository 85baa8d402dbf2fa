from __future__ import annotations

import re
from io import BytesIO
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from adapters.barcode.qr import QUIET_ZONE, Label, matrix, png, svg
from traceability.errors import InvalidInputError

LINK = "https://id.gs1.org/01/09521103001011/10/OAK-0902/21/0003"
LABEL = Label(LINK, ("(01) 09521103001011 (10) OAK-0902 (21) 0003",), "Smoked trout")
SVG = "{http://www.w3.org/2000/svg}"


def decoded(image: Image.Image) -> str:
    barcode = zxingcpp.read_barcode(np.array(image))
    assert barcode is not None
    assert barcode.format == zxingcpp.BarcodeFormat.QRCode
    return str(barcode.text)


def modules_of(document: ET.Element) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Draw the path of the SVG again from its coordinates, quiet zone included."""
    path = document.find(f"{SVG}path")
    assert path is not None
    side = int(document.attrib["viewBox"].split()[2])
    drawn = np.full((side, side), 255, np.uint8)
    for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", path.attrib["d"]):
        drawn[int(y), int(x) : int(x) + int(length)] = 0
    return drawn


@settings(max_examples=30, deadline=None)
@given(st.text("ABCxyz019-_.~%/", min_size=1, max_size=200))
def test_the_png_reads_back_as_the_link(tail: str) -> None:
    link = f"https://id.gs1.org/01/{tail}"
    assert decoded(Image.open(BytesIO(png(Label(link, ("text",), "t"), scale=4)))) == link


def test_the_svg_draws_the_same_modules_and_a_quiet_zone() -> None:
    document = ET.fromstring(svg(LABEL))
    drawn = modules_of(document)
    inner = drawn[QUIET_ZONE:-QUIET_ZONE, QUIET_ZONE:-QUIET_ZONE]
    assert (inner == np.where(np.array(matrix(LINK)), 0, 255)).all()
    assert (drawn == 255).sum() == drawn.size - (inner == 0).sum()
    assert decoded(Image.fromarray(np.kron(drawn, np.ones((5, 5), np.uint8)))) == LINK


def test_the_svg_is_the_same_every_time() -> None:
    assert svg(LABEL) == svg(LABEL)


def test_hostile_text_stays_text() -> None:
    line = '</text><script>alert("1")</script>&'
    document = ET.fromstring(svg(Label(LINK, (line,), line)))
    assert [element.text for element in document.iter(f"{SVG}text")] == [line]
    assert document.find(f"{SVG}title").text == line  # type: ignore[union-attr]
    assert list(document.iter(f"{SVG}script")) == []


def test_the_text_fits_between_the_edges_however_long_it_is() -> None:
    document = ET.fromstring(svg(Label(LINK, ("x" * 120,), "t")))
    group = document.find(f"{SVG}g")
    assert group is not None
    assert float(group.attrib["font-size"]) * 120 * 0.58 <= float(document.attrib["viewBox"].split()[2])


def test_more_than_a_code_can_hold_is_our_error() -> None:
    with pytest.raises(InvalidInputError, match="too long"):
        matrix("https://id.gs1.org/" + "a" * 3000)
