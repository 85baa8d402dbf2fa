import pytest

from traceability.gs1.digital_link import digital_link
from traceability.gs1.errors import IdentifierError
from traceability.gs1.identifiers import Kind, parse_digital_link_path, parse_identifier, read_identifier

GTIN = "09521234000013"
ITEM = f"https://id.gs1.org/01/{GTIN}/21/1001"


@pytest.mark.parametrize(
    "text",
    [
        ITEM,
        f"http://id.gs1.org/01/{GTIN}/21/1001",
        f"HTTPS://ID.GS1.ORG/01/{GTIN}/21/1001",
        f"https://id.gs1.org:443/01/{GTIN}/21/1001",
        f"https://dairy.example/01/{GTIN}/21/1001",
        f"https://dairy.example:8443/shop/de/01/{GTIN}/21/1001",
        f"https://dairy.example/01/{GTIN}/21/1001?17=271231&utm_source=pack#top",
        f"https://dairy.example/01/{GTIN}/21/%31%30%301",
        f"https://dairy.example/gtin/{GTIN}/ser/1001",
        "https://dairy.example/01/9521234000013/21/1001",
        "urn:epc:id:sgtin:9521234.000001.1001",
        "urn:epc:id:sgtin:952123400001.0.1001",
        "URN:EPC:id:sgtin:952123.0400001.1%30%301",
    ],
)
def test_every_spelling_of_a_thing_has_one_subject(text: str) -> None:
    assert parse_identifier(text).subject == ITEM


def test_the_lot_beside_a_serial_stays_in_the_uri_and_leaves_the_subject() -> None:
    identifier = parse_identifier(f"https://id.gs1.org/01/{GTIN}/22/2A/10/L%2F7/21/1001")
    assert identifier.uri == f"https://id.gs1.org/01/{GTIN}/22/2A/10/L%2F7/21/1001"
    assert identifier.subject == ITEM
    assert (identifier.kind, identifier.gtin, identifier.lot, identifier.serial) == (Kind.ITEM, GTIN, "L/7", "1001")
    assert identifier.lot_uri == f"https://id.gs1.org/01/{GTIN}/10/L%2F7"
    assert identifier.class_uri == f"https://id.gs1.org/01/{GTIN}"


@pytest.mark.parametrize(
    ("path", "kind", "parts", "class_path"),
    [
        ("/00/095212340000000013", Kind.ITEM, (None, None, None), None),
        (f"/01/{GTIN}", Kind.CLASS, (GTIN, None, None), f"/01/{GTIN}"),
        (f"/01/{GTIN}/10/L1", Kind.LOT, (GTIN, "L1", None), f"/01/{GTIN}"),
        (f"/01/{GTIN}/235/X9", Kind.ITEM, (GTIN, None, "X9"), f"/01/{GTIN}"),
        ("/253/4602443000331XYZ", Kind.ITEM, (None, None, "XYZ"), "/253/4602443000331"),
        ("/253/4602443000331", Kind.CLASS, (None, None, None), "/253/4602443000331"),
        ("/255/08116259999965", Kind.ITEM, (None, None, "5"), "/255/0811625999996"),
        ("/401/9521234X", Kind.ITEM, (None, None, None), None),
        ("/402/40123459999876541", Kind.ITEM, (None, None, None), None),
        ("/414/9521234000006", Kind.PLACE, (None, None, None), None),
        ("/414/9521234000006/254/dock-4", Kind.PLACE, (None, None, None), None),
        ("/415/9521234000006/8020/INV-1", Kind.ITEM, (None, None, None), None),
        ("/417/9521234000006", Kind.PARTY, (None, None, None), None),
        ("/8003/03870585000552987", Kind.ITEM, (None, None, "987"), "/8003/03870585000552"),
        ("/8004/9521234A1", Kind.ITEM, (None, None, None), None),
        (f"/8006/{GTIN}0102/10/L1", Kind.LOT, (GTIN, "L1", None), f"/8006/{GTIN}0102"),
        (f"/8006/{GTIN}0102/10/L1/21/7", Kind.ITEM, (GTIN, "L1", "7"), f"/8006/{GTIN}0102"),
        ("/8010/9521234A%2F1", Kind.CLASS, (None, None, None), "/8010/9521234A%2F1"),
        ("/8010/9521234A%2F1/8011/12", Kind.ITEM, (None, None, "12"), "/8010/9521234A%2F1"),
        ("/8017/401234500000000074", Kind.ITEM, (None, None, None), None),
        ("/8018/385888700111111111/8019/5", Kind.ITEM, (None, None, None), None),
    ],
)
def test_what_each_key_names(
    path: str, kind: Kind, parts: tuple[str | None, str | None, str | None], class_path: str | None
) -> None:
    identifier = parse_digital_link_path(path)
    assert identifier.uri == f"https://id.gs1.org{path}"
    assert identifier.key == path.split("/")[1]
    assert identifier.kind == kind
    assert (identifier.gtin, identifier.lot, identifier.serial) == parts
    assert identifier.class_uri == (None if class_path is None else f"https://id.gs1.org{class_path}")


def test_the_lot_of_a_piece_is_the_lot_of_its_product() -> None:
    piece = parse_digital_link_path(f"/8006/{GTIN}0102/10/L1/21/7")
    assert piece.lot_uri == parse_digital_link_path(f"/01/{GTIN}/10/L1").uri
    assert piece.subject == f"https://id.gs1.org/8006/{GTIN}0102/21/7"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("", "gs1.unknown_key"),
        ("/", "gs1.unknown_key"),
        ("/99/1", "gs1.unknown_key"),
        ("/410/9521234000006", "gs1.unknown_key"),
        (f"/shop/01/{GTIN}", "gs1.unknown_key"),
        ("/ARHKVAdpQg2hNw", "gs1.compressed"),
        ("/01/09521234000014", "gs1.check_digit"),
        ("/01/0952123400001", "gs1.check_digit"),
        ("/01/952123400001A", "gs1.character"),
        ("/01/952123", "gs1.length"),
        (f"/01/{GTIN}/", "gs1.qualifier"),
        (f"/01/{GTIN}/21", "gs1.qualifier"),
        (f"/01/{GTIN}/21/", "gs1.length"),
        (f"/01/{GTIN}/21/{'1' * 21}", "gs1.length"),
        (f"/01/{GTIN}/21/a%20b", "gs1.character"),
        (f"/01/{GTIN}/21/%C3%A9", "gs1.character"),
        (f"/01/{GTIN}/21/1/10/L", "gs1.qualifier"),
        (f"/01/{GTIN}/10/L/10/L", "gs1.qualifier"),
        (f"/01/{GTIN}/235/T/21/1", "gs1.qualifier"),
        (f"/01/{GTIN}/99/x", "gs1.qualifier"),
        (f"/01/{GTIN}?21=1", "gs1.qualifier"),
        (f"/01/{GTIN}?%321=1", "gs1.qualifier"),
        (f"/01/{GTIN}/21/1?17=271231&lot=L", "gs1.qualifier"),
        ("/415/9521234000006", "gs1.qualifier"),
        (f"/8006/{GTIN}0201", "gs1.piece"),
        (f"/8006/{GTIN}0001", "gs1.piece"),
        ("/8003/14012345678901", "gs1.prefix"),
        ("/8004/ABC123", "gs1.prefix"),
        ("/8010/9521234A/8011/012", "gs1.prefix"),
        ("/8010/9521234a", "gs1.character"),
    ],
)
def test_gs1s_own_domain_is_held_to_gs1s_rules(path: str, code: str) -> None:
    with pytest.raises(IdentifierError) as refused:
        parse_digital_link_path(path)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.com/01/abc",
        "https://example.com/orders/4711",
        "https://example.com/01/09521234000014/21/1",
        f"https://example.com/01/{GTIN}/99/x",
        f"https://example.com/01/{GTIN}?21=1",
        "https://example.com",
        "urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001",
        "urn:epc:id:gid:95100000.12345.400",
        "urn:epc:id:adi:W81X9C.3KL984PX1.2WMA52",
        "geo:47.506694,11.104301",
        "tag:dairy.example,2026:vat/7",
    ],
)
def test_other_uris_stay_as_they_are(uri: str) -> None:
    identifier = parse_identifier(uri)
    assert (identifier.uri, identifier.subject, identifier.kind, identifier.key) == (uri, uri, Kind.PRIVATE, None)


@pytest.mark.parametrize(
    "text", ["", "42", "item 7", " urn:x:y", "urn:x:y\n", "urn:x:a b", "urn:x:\ud800", "x:", "//h/p", "https://a/<b>"]
)
def test_what_is_no_uri_is_refused(text: str) -> None:
    for read in (parse_identifier, read_identifier):
        with pytest.raises(IdentifierError) as refused:
            read(text)
        assert refused.value.code == "gs1.not_a_uri"


def test_a_claim_that_breaks_the_rules_is_kept_with_the_reason() -> None:
    for uri, code in [
        ("https://id.gs1.org/8003/030013450007718765", "gs1.check_digit"),
        ("https://id.example.com/8003/030013450007718765", "gs1.check_digit"),
        ("urn:epc:id:sgtin:123.1.1", "gs1.urn_syntax"),
    ]:
        identifier, error = read_identifier(uri)
        assert (identifier.uri, identifier.kind) == (uri, Kind.PRIVATE)
        assert error is not None
        assert error.code == code
    assert read_identifier("https://example.com/vat/7")[1] is None
    assert read_identifier(ITEM) == (parse_identifier(ITEM), None)


def test_a_gln_extension_of_zero_is_none() -> None:
    assert parse_digital_link_path("/414/9521234000006/254/0") == parse_identifier("urn:epc:id:sgln:9521234.00000.0")


def test_elements_are_put_in_order() -> None:
    link = digital_link([("21", "7/8"), ("01", "9521234000013"), ("10", "L1")])
    assert link == f"https://id.gs1.org/01/{GTIN}/10/L1/21/7%2F8"


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        ([], "gs1.unknown_key"),
        ([("21", "7")], "gs1.unknown_key"),
        ([("01", GTIN), ("00", "095212340000000013")], "gs1.unknown_key"),
        ([("01", GTIN), ("21", "7"), ("21", "8")], "gs1.qualifier"),
        ([("01", GTIN), ("235", "T"), ("10", "L")], "gs1.qualifier"),
        ([("01", GTIN), ("17", "271231")], "gs1.qualifier"),
        ([("415", "9521234000006")], "gs1.qualifier"),
        ([("00", "095212340000000014")], "gs1.check_digit"),
    ],
)
def test_elements_that_make_no_link(elements: list[tuple[str, str]], code: str) -> None:
    with pytest.raises(IdentifierError) as refused:
        digital_link(elements)
    assert refused.value.code == code
