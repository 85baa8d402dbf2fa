from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.codes import human_readable, link_on, read_code
from traceability.errors import InvalidInputError
from traceability.gs1.identifiers import IdentifierError, parse_identifier

PACK = "https://id.gs1.org/01/09521103001011/10/OAK-0902/21/0003"


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        (PACK, PACK),
        (f"  {PACK}\n", PACK),
        ("/01/09521103001011/10/OAK-0902/21/0003", PACK),
        ("http://127.0.0.1:8000/01/09521103001011/10/OAK-0902/21/0003", PACK),
        ("(01)09521103001011(10)OAK-0902(21)0003", PACK),
        ("(21) 0003 (01) 09521103001011 (10) OAK-0902", PACK),
        ("(01)09521103001011(17)271231(10)OAK-0902(21)0003", PACK),
        ("^010952110300101110OAK-0902^210003", PACK),
        ("]d2010952110300101117271231" + "10OAK-0902\x1d210003", PACK),
        ("]E09521103001011", "https://id.gs1.org/01/09521103001011"),
        ("09521103001011", "https://id.gs1.org/01/09521103001011"),
        ("9521103001011", "https://id.gs1.org/01/09521103001011"),
        ("0952 1103 0000 0700 17", "https://id.gs1.org/00/095211030000070017"),
        ("urn:epc:id:sscc:9521103.0000007001", "https://id.gs1.org/00/095211030000070017"),
    ],
)
def test_what_people_enter_is_read(text: str, uri: str) -> None:
    assert read_code(text).uri == uri


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "hello",
        "123",
        "(01)",
        "(01)09521103001012",
        "()x",
        "]d1anything",
        "]Q1",
        "^17271231",
        "9521103001012",
        "https://shop.example/01/123",
        "/",
    ],
)
def test_what_is_no_code_is_our_error(text: str) -> None:
    with pytest.raises(IdentifierError):
        read_code(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        identifier = read_code(text)
    except IdentifierError:
        return
    assert parse_identifier(identifier.uri) == identifier


def test_elements_are_printed_in_brackets() -> None:
    assert human_readable(read_code(PACK)) == ("(01) 09521103001011", "(10) OAK-0902", "(21) 0003")
    assert human_readable(read_code("urn:uuid:1c0f")) == ("urn:uuid:1c0f",)


def test_a_link_is_made_on_any_resolver() -> None:
    path = PACK.removeprefix("https://id.gs1.org")
    assert link_on(read_code(PACK), "http://127.0.0.1:8000/") == f"http://127.0.0.1:8000{path}"
    assert link_on(read_code(PACK), "https://shop.example/items") == f"https://shop.example/items{path}"


@pytest.mark.parametrize("base", ["", "id.gs1.org", "ftp://x", "https://", "https://x/?q=1", "javascript:alert(1)"])
def test_a_link_needs_an_http_address(base: str) -> None:
    with pytest.raises(InvalidInputError, match="beginning of a link"):
        link_on(read_code(PACK), base)


def test_a_private_identifier_has_no_link() -> None:
    with pytest.raises(InvalidInputError, match="only GS1"):
        link_on(read_code("urn:uuid:1c0f"), "https://id.gs1.org")
