import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.gs1 import elements, values
from tests.support.mutants import mutants_of_text
from traceability.gs1 import linters
from traceability.gs1.application_identifiers import APPLICATION_IDENTIFIERS, QUALIFIERS, associations, check
from traceability.gs1.check_digits import check_digit
from traceability.gs1.coupons import couponcode, couponposoffer
from traceability.gs1.element_strings import bracketed, element_string, read_bracketed, read_element_string
from traceability.gs1.errors import IdentifierError
from traceability.gs1.identifiers import parse_identifier
from traceability.gs1.links import link_of, read_link
from traceability.gs1.linters import Linter
from traceability.gs1.reading import read_value
from traceability.gs1.scan_data import Symbology, read_scan, scan_data


@given(st.data())
@settings(max_examples=400)
def test_what_a_format_says_is_accepted(data: st.DataObject) -> None:
    code = data.draw(st.sampled_from(sorted(APPLICATION_IDENTIFIERS)))
    check(code, data.draw(values(code)))


NAMES = {name for ai in APPLICATION_IDENTIFIERS.values() for part in ai.format.split() for name in part.split(":")[1:]}
LINTERS = [vars(linters)[name.rstrip("]")] for name in sorted(NAMES) if not name.startswith("coupon")]


@given(
    st.sampled_from([*LINTERS, couponcode, couponposoffer]),
    st.one_of(st.text(), st.text("0123456789", max_size=40), st.text("²٣09aA/%=-", max_size=12)),
)
@settings(max_examples=500)
def test_a_linter_takes_any_text_and_points_into_it(linter: Linter, text: str) -> None:
    fault = linter(text)
    assert fault is None or (fault.error.isupper() and 0 <= fault.start <= fault.stop <= len(text))


@given(st.sampled_from(sorted(APPLICATION_IDENTIFIERS)), st.text("0123456789²aA/%=-\x1d", max_size=30))
@settings(max_examples=500)
def test_any_value_is_right_or_our_error(code: str, value: str) -> None:
    try:
        check(code, value)
    except IdentifierError as refused:
        assert 0 <= refused.at <= len(value)  # noqa: PT017 - either outcome is right, each is checked
    else:
        assert read_element_string(element_string({code: value})) == {code: value}


@given(elements())
def test_element_strings_are_read_as_they_were_written(ais: dict[str, str]) -> None:
    for read, text in ((read_element_string, element_string(ais)), (read_bracketed, bracketed(ais))):
        found = read(text)
        assert list(found.items()) == list(ais.items())
        assert read_value(text).ais == ais
    assert read_element_string(element_string(ais, "\x1d")) == ais


@given(elements(), st.sampled_from([Symbology.GS1_128, Symbology.DATA_MATRIX, Symbology.QR, Symbology.DOTCODE]))
def test_scans_hold_what_was_printed(ais: dict[str, str], symbology: Symbology) -> None:
    sent = scan_data(symbology, element_string(ais))
    scan = read_scan(sent)
    assert (scan.symbology, scan.ais) == (symbology, ais)
    assert scan_data(symbology, scan.message) == sent


@given(
    st.sampled_from(
        [
            (Symbology.EAN_13, 13),
            (Symbology.EAN_8, 8),
            (Symbology.UPC_A, 12),
            (Symbology.UPC_E, 12),
            (Symbology.ITF_14, 14),
        ]
    ),
    st.integers(0, 10**7 - 2),
    st.booleans(),
    elements(["98", "99"]),
)
def test_scans_of_gtins_and_what_is_printed_above_them(
    symbology: tuple[Symbology, int],
    number: int,
    composite: bool,  # noqa: FBT001
    upper: dict[str, str],
) -> None:
    kind, length = symbology
    body = str(number).zfill(length - 1)
    digits = body + check_digit(body)
    message = digits + f"|{element_string(upper)}" * composite
    scan = read_scan(scan_data(kind, message))
    expected = {"01": digits.zfill(14)} | (upper if composite else {})
    assert scan.ais == expected
    assert read_value(message).ais == expected
    assert scan_data(kind, f"^01{digits.zfill(14)}") == scan_data(kind, digits) == scan_data(kind, body)


@st.composite
def of_a_link(draw: st.DrawFn) -> dict[str, str]:
    """A primary key, some of its qualifiers, and attributes of which none is another qualifier of it."""
    key = draw(st.sampled_from(sorted(QUALIFIERS)))
    sequence = draw(st.sampled_from(QUALIFIERS[key]))
    path = [key, *[code for code in sequence if key == "415" or draw(st.booleans())]]
    qualifiers = {code for every in QUALIFIERS[key] for code in every}
    allowed = [code for code, ai in APPLICATION_IDENTIFIERS.items() if ai.attribute and code not in {key, *qualifiers}]
    attributes = draw(st.lists(st.sampled_from(allowed), max_size=4, unique=True))
    return draw(elements([*path, *attributes]))


@given(of_a_link(), st.sampled_from(["https://id.gs1.org", "https://dairy.example/shop/", "http://[2001:db8::1]:8080"]))
def test_links_say_all_that_element_strings_say(ais: dict[str, str], stem: str) -> None:
    link = link_of(ais, stem)
    found = read_link(link, strict=True)
    if ais.get("254") == "0":  # which is the extension of a GLN that has none
        ais = {code: value for code, value in ais.items() if code != "254"}
    assert list(found.items()) == list(ais.items())
    assert link_of(read_element_string(element_string(found)), stem) == link_of(ais, stem)
    identifier = parse_identifier(link)
    assert (identifier.uri, identifier.key) == (link_of(ais).partition("?")[0], next(iter(ais)))


def test_parameters_of_others_are_passed_over() -> None:
    link = "https://dairy.example/01/09521234000013?99&utm=x&=98&exp=soon&17=271231;linkType=gs1%3Apip&"
    assert read_link(link) == {"01": "09521234000013", "17": "271231"}
    assert read_link("https://dairy.example/01/09521234000013?exp=271231")["17"] == "271231"
    assert "17" not in read_link("https://dairy.example/01/09521234000013?exp=271231", strict=True)


def test_components_are_joined_by_one_separator_where_one_is_needed() -> None:
    for linear in ("^99A", "^99A^"):
        assert scan_data(Symbology.DATABAR_EXPANDED, f"{linear}|^98B") == "]e099A\x1d98B"
    assert scan_data(Symbology.GS1_128, "^0109521234000013|^98B") == "]e0010952123400001398B"


def test_a_gln_extension_of_zero_is_not_written() -> None:
    assert link_of({"414": "9521234000006", "254": "0"}) == "https://id.gs1.org/414/9521234000006"


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        ("", "gs1.unrecognised", 0),
        ("hello", "gs1.unrecognised", 0),
        ("01", "gs1.length", 0),
        ("9521234000014", "gs1.check_digit", 12),
        ("095212340000000014", "gs1.check_digit", 17),
        ("^", "gs1.element_string", 1),
        ("^^0109521234000013", "gs1.unknown_ai", 1),
        ("^0109521234000013^^10L", "gs1.unknown_ai", 18),
        ("^0109521234000013 10L", "gs1.unknown_ai", 17),
        ("^0109521234000014", "gs1.check_digit", 16),
        ("^0109521234", "gs1.length", 11),
        ("^010952123400001310", "gs1.length", 19),
        ("^10AB C", "gs1.character", 5),
        ("^10L1^10L2", "gs1.repeated", 8),
        ("  (01)09521234000013(17)271332", "gs1.date", 26),
        ("(01)09521234000013(1234)x", "gs1.unknown_ai", 19),
        ("(01)09521234000013x(10L", "gs1.length", 18),
        ("(10)A(B", "gs1.element_string", 5),
        ("(421)999X", "gs1.country", 5),
        ("(3911)0001", "gs1.currency", 6),
        ("(7003)2712312460", "gs1.time", 12),
        ("(4309)18000000010000000000", "gs1.coordinate", 6),
        ("(8007)FR7630006000011234567890188", "gs1.iban", 8),
        ("(8110)012", "gs1.coupon", 7),
        ("(8006)095212340000130302", "gs1.piece", 20),
        ("(7258)2/1", "gs1.sequence", 6),
        ("(4321)2", "gs1.value", 6),
        ("(4300)a%2x", "gs1.percent", 7),
        ("(8014)952123A22", "gs1.check_digit", 13),
        ("]A0123", "gs1.symbology", 0),
        ("]C1", "gs1.element_string", 3),
        ("]C10109521234000014", "gs1.check_digit", 18),
        ("]E09521234000014", "gs1.check_digit", 15),
        ("]E0952123400001", "gs1.length", 3),
        ("]E09521234000013|]d210L", "gs1.symbology", 17),
        ("]E09521234000013|]e010", "gs1.length", 22),
        ("9521234000013|10L", "gs1.element_string", 14),
        ("-521234000013|^10L", "gs1.character", 0),
        ("https://dairy.example/01/09521234000013/10/a%20b", "gs1.character", 44),
        ("https://dairy.example/01/09521234000013?17=271332", "gs1.date", 45),
        ("https://dairy.example/01/09521234000013?9999=1", "gs1.unknown_ai", 40),
        ("https://dairy.example/01/09521234000013?8200=x", "gs1.attribute", 40),
        ("https://dairy.example/01/09521234000013?10=L", "gs1.qualifier", 40),
        ("https://dairy.example/01/09521234000013?99=a&99=b", "gs1.repeated", 48),
        ("https://dairy!.example/01/09521234000013", "gs1.not_a_uri", 13),
        ("https://dairy.example/th ings", "gs1.not_a_uri", 24),
        ("https://d\u200bairy.example/01/09521234000013", "gs1.not_a_uri", 9),
        ("https://dairy.example/things", "gs1.unknown_key", 21),
        ("urn:epc:id:sgtin:9521234.00001.1", "gs1.urn_syntax", 0),
        ("urn:epc:id:bic:CSQU3054384", "gs1.urn_syntax", 0),
        ("urn:epc:id:imovn:9176188", "gs1.urn_syntax", 0),
        ("urn:epc:id:usdod:W81X9C.68719476736", "gs1.urn_syntax", 0),
        ("urn:epc:id:gid:1.2", "gs1.urn_syntax", 0),
        ("urn:epc:idpat:sgtin:9521234.*.1", "gs1.urn_syntax", 0),
        ("urn:epc:idpat:sgtin:95212.*.*", "gs1.urn_syntax", 0),
        ("urn:epc:idpat:nothing:*", "gs1.urn_syntax", 0),
        ("urn:epc:tag:sgtin-96:3.9521234.000001.1001", "gs1.urn_syntax", 0),
        ("^99" + "A" * 8200, "gs1.length", 8192),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, code: str, at: int) -> None:
    with pytest.raises(IdentifierError) as refused:
        read_value(text)
    assert (refused.value.code, refused.value.at) == (code, at)


@given(
    st.one_of(
        st.text(),
        st.text("01(]^|\x1d0123456789A%/?&=.*:urnepcidlasgtw", max_size=60),
        mutants_of_text(
            [
                "^010952123400001310L1^211001",
                "(01)09521234000013(10)L1",
                "https://dairy.example/01/09521234000013/10/L1?17=271231",
                "]E09521234000013|]e010L1",
                "9521234000013|^10L1",
                "urn:epc:id:sgtin:9521234.000001.1001",
                "urn:epc:idpat:itip:9521234.000001.*.*.*",
                "urn:epc:id:adi:W81X9C.3KL984PX1.2WMA52",
            ]
        ),
    ),
    st.booleans(),
)
@settings(max_examples=500)
def test_reading_anything_raises_nothing_but_identifier_errors(text: str, strict: bool) -> None:  # noqa: FBT001
    try:
        reading = read_value(text, strict=strict)
    except IdentifierError as refused:
        refused.diagnostics().encode()
        assert 0 <= refused.at <= len(text)  # noqa: PT017 - either outcome is right, each is checked
        return
    if reading.ais:
        assert read_element_string(element_string(reading.ais)) == reading.ais
    if reading.urn is not None:
        assert read_value(reading.urn).urn == reading.urn


def test_what_goes_with_what() -> None:
    assert associations(("01", "21")) == ()
    (missing,) = associations(("21",))
    assert (missing.code, missing.needed, missing.excluded) == ("21", (("01",), ("03",), ("8006",)), ())
    assert {rule.code: rule.excluded for rule in associations(("01", "37")) if rule.excluded} == {"01": ("37",)}
    assert [rule.code for rule in associations(("01", "3103", "3922"))] == []
    assert [rule.code for rule in associations(("01", "3922"))] == ["3922"]
    assert [rule.excluded for rule in associations(("01", "3102", "3103"))] == [("3103",), ("3102",)]
