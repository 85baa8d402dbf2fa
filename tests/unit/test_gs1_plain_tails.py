"""The short way of reading serial numbers, lots and SSCCs gives what the general way gives."""

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from traceability.gs1 import digital_link, identifiers
from traceability.gs1.identifiers import IdentifierError, parse_identifier

STEMS = st.sampled_from([
    "https://id.gs1.org/01/09521234000013/21/",
    "https://id.gs1.org/01/09521234000013/10/",
    "https://id.gs1.org/01/09521234000013/10/A.7/21/",
    "https://id.gs1.org/01/09521234000013/22/V/10/L/21/",
    "https://id.gs1.org/01/09521234000013/22/V/10/",
    "https://id.gs1.org/01/09521234000013/235/",
    "https://id.gs1.org/01/09521234000014/21/",  # the check digit is wrong
    "https://id.gs1.org/gtin/9521234000013/ser/",
    "https://dairy.example/shop/01/09521234000013/21/",
    "https://dairy.example/01/",
    "https://dairy.example/things/",
    "https://id.gs1.org/01/09521234000013/21/7?21=/",
    "https://id.gs1.org/01/09521234000013/21/Z9?x=/",
    "https://id.gs1.org/01/09521234000013/21/Z9#/",
    "https://id.gs1.org/8006/095212340000130102/21/",
    "https://id.gs1.org/8006/095212340000130102/10/",
    "https://id.gs1.org/8006/095212340000130102/10/Z9/21/",
    "https://id.gs1.org/8003/",
    "https://id.gs1.org/414/9521234000006/254/",
    "https://id.gs1.org/414/",
    "https://id.gs1.org/00/",
    "http://id.gs1.org:80/00/",
    "HTTPS://ID.GS1.ORG/00/",
    "https://dairy.example/00/",
    "https://dairy.example:8080/shop/00/",
    "https://dairy.example/01/09521234000013/00/",
    "https://dairy.example/shop?x=/00/",
    "https://dairy.example/shop#/00/",
    "ftp://dairy.example/00/",
    "https:///00/",
    "/00/",
    "urn:epc:id:sgtin:9521234.000001.",
    "urn:epc:id:sgtin:9521234.000001.Z9.",
    "urn:epc:id:sgtin:9521234.00001.",
    "urn:epc:id:sgtin:9521234.000001.a/",
    "URN:EPC:id:sgtin:9521234.000001.",
    "urn:epc:class:lgtin:9521234.000001.",
    "urn:epc:idpat:sgtin:9521234.000001.",
    "urn:epc:id:upui:9521234.000001.",
    "urn:epc:id:itip:9521234.000001.01.02.",
    "urn:epc:id:grai:9521234.00000.",
    "urn:epc:id:giai:9521234.",
    "urn:epc:id:sscc:9521234.",
    "urn:epc:id:sscc:9521234567890.",
    "urn:epc:id:sscc:95212.",
    "urn:epc:id:sscc:952123²4.",
    "urn:epc:id:sscc:",
    "urn:EPC:id:sscc:9521234.",
    "urn:uuid:",
    "",
])  # fmt: skip
TAILS = st.one_of(
    st.text("0123456789", max_size=22),
    st.text("09AZaz-", max_size=22),
    st.text("0Z-_.:/?#%²é\ud800 ", max_size=4),
    st.sampled_from(["Z9", "Z9Z9", "0", "-", "*", "09521234000013", "095212340000000013", "095212340000000014"]),
)


def outcome(read: Callable[[str], object], text: str) -> object:
    try:
        return read(text)
    except IdentifierError as error:
        return error.code, error.message


SEGMENTS = st.sampled_from(
    [
        *["01", "22", "10", "21", "235", "414", "gtin", "lot"],
        *["09521234000013", "09521234000014", "00000000000000", "9521234000013"],
        *["", "x", "L1", "A.b_C-9", "Z" * 20, "Z" * 21, "a~b", "%31", "a+b"],
    ]
)


VALUES = st.one_of(SEGMENTS, st.text("09AZaz.-_~%+", max_size=21))
TRADE_ITEMS = st.builds(
    lambda stem, qualifiers: [*stem, "01", "09521234000013", *[part for pair in qualifiers for part in pair]],
    st.lists(SEGMENTS, max_size=1),
    st.lists(st.tuples(st.sampled_from(["22", "10", "21"]), VALUES), max_size=3),
)


@settings(max_examples=1000)
@given(st.one_of(st.lists(SEGMENTS, max_size=9), TRADE_ITEMS), st.booleans())
@example(["01", "09521234000013", "22", "V", "10", "L1", "21", "7"], False)  # noqa: FBT003
@example(["shop", "01", "09521234000013", "10", "01", "01", "09521234000013"], True)  # noqa: FBT003
def test_plain_paths_are_read_as_any_path_is(segments: list[str], stem: bool) -> None:  # noqa: FBT001
    path = "".join(f"/{segment}" for segment in segments)
    assert outcome(lambda text: digital_link.read_path(text, stem=stem), path) == outcome(
        lambda text: digital_link._read_segments(text, stem=stem), path
    )


@settings(max_examples=1000)
@given(STEMS, TAILS)
@example("https://id.gs1.org/00/", "095212340000000013")
@example("https://dairy.example/shop/00/", "095212340000000013")
@example("https://dairy.example/shop#/00/", "095212340000000013")
@example("urn:epc:id:sscc:9521234.", "0000000001")
@example("urn:epc:id:sgtin:9521234.000001.", "Z9-1")
@example("", "https://id.gs1.org/" + "1" * 300)
def test_the_short_way_and_the_general_way_agree(stem: str, tail: str) -> None:
    assert outcome(parse_identifier, stem + tail) == outcome(identifiers.parse_afresh, stem + tail)


@settings(max_examples=300)
@given(st.text("urn:epcidlasgt/.htps01248Z-", max_size=40))
def test_they_agree_on_any_text(text: str) -> None:
    assert outcome(parse_identifier, text) == outcome(identifiers.parse_afresh, text)


@pytest.mark.parametrize(
    "text",
    [
        "https://id.gs1.org/01/09521234000013/21/1001",
        "https://id.gs1.org/01/09521234000013/10/A-7",
        "https://id.gs1.org/00/095212340000000013",
        "https://dairy.example/shop/00/095212340000000013",
        "urn:epc:id:sgtin:9521234.000001.1001",
        "urn:epc:class:lgtin:9521234.000001.A-7",
        "urn:epc:id:sscc:9521234.0000000001",
    ],
)
def test_the_common_spellings_are_read_the_short_way(text: str) -> None:
    at = text.rfind("/") + 1 or text.rfind(".") + 1
    read = identifiers.reader_after(text[:at])
    assert read is not None
    assert read(text[at:]) == identifiers.parse_afresh(text)
