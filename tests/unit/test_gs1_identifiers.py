from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceability.gs1 import identifiers
from traceability.gs1.application_identifiers import QUALIFIERS
from traceability.gs1.check_digits import check_pair
from traceability.gs1.digital_link import digital_link
from traceability.gs1.epc_urn import urn_of
from traceability.gs1.errors import IdentifierError
from traceability.gs1.identifiers import (
    Identifier,
    Kind,
    gln_of,
    item_tag,
    parse_identifier,
    read_identifier,
    tags_of,
)

CSET82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
CSET39 = "#-/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"
URN_ESCAPED = '"#%&/<>?'


def checked(body: str) -> str:
    """Append the check digit, worked out from the left and with remainders instead of the code's sums."""
    odd_from_right = [int(digit) for digit in body[::-1]][0::2]
    even_from_right = [int(digit) for digit in body[::-1]][1::2]
    rest = (sum(odd_from_right) * 3 + sum(even_from_right)) % 10
    return body + str((10 - rest) % 10)


def text(alphabet: str, least: int, most: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=least, max_size=most)


def digits(count: int) -> st.SearchStrategy[str]:
    return text(DIGITS, count, count)


VALUES = {
    "00": digits(17).map(checked),
    "01": digits(13).map(checked),
    "10": text(CSET82, 1, 20),
    "21": text(CSET82, 1, 20),
    "22": text(CSET82, 1, 20),
    "235": text(CSET82, 1, 28),
    "253": st.builds(str.__add__, digits(12).map(checked), text(CSET82, 0, 17)),
    "254": text(CSET82, 1, 20).filter(lambda value: value != "0"),
    "255": st.builds(str.__add__, digits(12).map(checked), text(DIGITS, 0, 12)),
    "401": st.builds(str.__add__, digits(6), text(CSET82, 1, 24)),
    "402": digits(16).map(checked),
    "414": digits(12).map(checked),
    "415": digits(12).map(checked),
    "417": digits(12).map(checked),
    "7040": st.from_regex(r"[0-9][A-Z]{2}[a-z_]", fullmatch=True),
    "8003": st.builds("0{}{}".format, digits(12).map(checked), text(CSET82, 0, 16)),
    "8004": st.builds(str.__add__, digits(6), text(CSET82, 1, 24)),
    "8006": st.builds("{}{}".format, digits(13).map(checked), st.sampled_from(["0101", "0102", "0999"])),
    "8010": st.builds(str.__add__, digits(6), text(CSET39, 1, 24)),
    "8011": st.integers(1, 10**12 - 1).map(str),
    "8013": st.builds(str.__add__, digits(6), text(CSET82, 1, 17)).map(lambda body: body + check_pair(body)),
    "8017": digits(17).map(checked),
    "8018": digits(17).map(checked),
    "8019": text(DIGITS, 1, 10),
    "8020": text(CSET82, 1, 25),
}


@st.composite
def elements(draw: st.DrawFn) -> list[tuple[str, str]]:
    key = draw(st.sampled_from(sorted(QUALIFIERS)))
    sequence = draw(st.sampled_from(QUALIFIERS[key]))
    kept = [code for code in sequence if key == "415" or draw(st.booleans())]
    return [(code, draw(VALUES[code])) for code in (key, *kept)]


@given(elements())
def test_a_canonical_link_is_its_own_canonical_form(parts: list[tuple[str, str]]) -> None:
    link = digital_link(parts)
    assert link == "https://id.gs1.org" + "".join(f"/{code}/{quote(value, safe='')}" for code, value in parts)
    identifier = parse_identifier(link)
    assert identifier.uri == link
    assert identifier.key == parts[0][0]
    again = parse_identifier(identifier.subject)
    assert (again.subject, again.uri, again.kind) == (identifier.subject, identifier.subject, identifier.kind)
    for part in (identifier.lot_uri, identifier.class_uri):
        assert part is None or parse_identifier(part).uri == part


@given(
    elements(), st.sampled_from(["https://a.example/", "http://a.example/shop/414/de/", "HTTPS://[2001:db8::1]:8443/"])
)
def test_domain_stem_and_escapes_do_not_matter(parts: list[tuple[str, str]], stem: str) -> None:
    spelled = "/".join(f"{code}/{''.join(f'%{ord(c):02x}' for c in value)}" for code, value in parts)
    assert parse_identifier(f"{stem}{spelled}?17=271231#x") == parse_identifier(digital_link(parts))


@st.composite
def numbers(draw: st.DrawFn, total: int, least_reference: int) -> tuple[str, str]:
    """A company prefix and the reference that fills it up to `total` digits."""
    length = draw(st.integers(6, 12))
    return draw(digits(length)), draw(digits(max(total - length, least_reference)))


def escaped(value: str) -> str:
    return "".join(f"%{ord(c):02X}" if c in URN_ESCAPED else c for c in value)


@given(numbers(13, 1), VALUES["21"])
def test_urn_and_link_of_a_serialised_product_agree(number: tuple[str, str], serial: str) -> None:
    prefix, reference = number
    gtin = checked(reference[0] + prefix + reference[1:])
    link = f"https://id.gs1.org/01/{gtin}/21/{quote(serial, safe='')}"
    urn = f"urn:epc:id:sgtin:{prefix}.{reference}.{escaped(serial)}"
    assert parse_identifier(urn) == parse_identifier(link)
    assert parse_identifier(urn).uri == link
    assert urn_of(link, len(prefix)) == urn


@given(numbers(17, 5))
def test_urn_and_link_of_a_logistic_unit_agree(number: tuple[str, str]) -> None:
    prefix, reference = number
    link = f"https://id.gs1.org/00/{checked(reference[0] + prefix + reference[1:])}"
    urn = f"urn:epc:id:sscc:{prefix}.{reference}"
    assert parse_identifier(urn).uri == link
    assert urn_of(link, len(prefix)) == urn


@given(numbers(12, 0), VALUES["254"], text(CSET82, 1, 16), text(DIGITS, 1, 12))
def test_urns_and_links_of_twelve_digit_keys_agree(
    number: tuple[str, str], extension: str, serial: str, coupon: str
) -> None:
    prefix, reference = number
    key = checked(prefix + reference)
    stem = f"{prefix}.{reference}"
    for urn, link in {
        f"urn:epc:id:pgln:{stem}": f"/417/{key}",
        f"urn:epc:id:sgln:{stem}.0": f"/414/{key}",
        f"urn:epc:id:sgln:{stem}.{escaped(extension)}": f"/414/{key}/254/{quote(extension, safe='')}",
        f"urn:epc:id:grai:{stem}.{escaped(serial)}": f"/8003/0{key}{quote(serial, safe='')}",
        f"urn:epc:id:gdti:{stem}.{escaped(serial)}": f"/253/{key}{quote(serial, safe='')}",
        f"urn:epc:id:sgcn:{stem}.{coupon}": f"/255/{key}{coupon}",
        f"urn:epc:idpat:grai:{stem}.*": f"/8003/0{key}",
        f"urn:epc:idpat:gdti:{stem}.*": f"/253/{key}",
    }.items():
        assert parse_identifier(urn).uri == f"https://id.gs1.org{link}"
        assert urn_of(f"https://id.gs1.org{link}", len(prefix)) == urn


@given(elements(), st.integers(6, 12))
def test_what_a_urn_can_say_it_says_of_the_same_thing(parts: list[tuple[str, str]], prefix_length: int) -> None:
    identifier = parse_identifier(digital_link(parts))
    try:
        urn = urn_of(identifier.uri, prefix_length)
    except IdentifierError as refused:
        assert refused.code in {"gs1.no_urn", "gs1.prefix"}  # noqa: PT017 - either outcome is right, each is checked
        return
    assert parse_identifier(urn).subject == identifier.subject


@pytest.mark.parametrize(
    ("urn", "code"),
    [
        ("urn:epc:id:sgtin:9521234.00001.1001", "gs1.urn_syntax"),
        ("urn:epc:id:sgtin:9521234.0000011.1001", "gs1.urn_syntax"),
        ("urn:epc:id:sgtin:95212.34000001.1001", "gs1.urn_syntax"),
        ("urn:epc:id:sgtin:9521234000013..1001", "gs1.urn_syntax"),
        ("urn:epc:id:sgtin:9521234.00000\N{ARABIC-INDIC DIGIT ONE}.1001", "gs1.urn_syntax"),
        ("urn:epc:id:sgtin:9521234.000001", "gs1.urn_syntax"),
        ("urn:epc:id:sgtin:9521234.000001.", "gs1.length"),
        ("urn:epc:id:sgtin:9521234.000001.a b", "gs1.character"),
        (f"urn:epc:id:sgtin:9521234.000001.{'1' * 21}", "gs1.length"),
        ("urn:epc:id:SGTIN:9521234.000001.1", "gs1.urn_syntax"),
        ("urn:epc:id:grai:9521234.00001.", "gs1.urn_syntax"),
        ("urn:epc:id:giai:9521234.", "gs1.urn_syntax"),
        ("urn:epc:id:itip:9521234.000001.1.02.7", "gs1.urn_syntax"),
        ("urn:epc:id:itip:9521234.000001.03.02.7", "gs1.piece"),
        ("urn:epc:id:cpi:9521234.A.07", "gs1.prefix"),
        ("urn:epc:idpat:sgtin:9521234.000001.1001", "gs1.urn_syntax"),
        ("urn:epc:idpat:sgtin:9521234.*.*", "gs1.urn_syntax"),
        ("urn:epc:idpat:sscc:9521234.*", "gs1.urn_syntax"),
        ("urn:epc:tag:sgtin-96:3.9521234.000001.1001", "gs1.urn_syntax"),
        ("urn:epc:id:nothing:1.2.3", "gs1.urn_syntax"),
        ("urn:epc:", "gs1.urn_syntax"),
    ],
)
def test_a_broken_urn_is_refused_with_its_reason(urn: str, code: str) -> None:
    with pytest.raises(IdentifierError) as refused:
        parse_identifier(urn)
    assert refused.value.code == code


PREFIXES = st.sampled_from(
    [
        "",
        "urn:",
        "urn:epc:id:",
        "urn:epc:id:sgtin:",
        "urn:epc:idpat:",
        "https://",
        "https://id.gs1.org/",
        "http://a/01/",
    ]
)


@given(PREFIXES, st.one_of(st.text(), st.text("0123456789/.%?#*:urnepcid-", max_size=40), elements().map(digital_link)))
def test_reading_raises_nothing_but_identifier_errors(prefix: str, rest: str) -> None:
    for read in (parse_identifier, read_identifier):
        try:
            found = read(prefix + rest)
        except IdentifierError as refused:
            assert refused.code.startswith("gs1.")  # noqa: PT017 - either outcome is right, each is checked
            continue
        identifier = found if isinstance(found, Identifier) else found[0]
        identifier.uri.encode()
        assert read_identifier(identifier.uri)[0] == identifier


def test_tags_of_a_thing_with_its_lot() -> None:
    item = parse_identifier("https://id.gs1.org/01/09521234000013/10/L1/21/1001")
    assert tags_of(item, "item") == (
        "item:https://id.gs1.org/01/09521234000013/21/1001",
        "lot:https://id.gs1.org/01/09521234000013/10/L1",
        "class:https://id.gs1.org/01/09521234000013",
    )
    assert item_tag(item) == item_tag(parse_identifier("urn:epc:id:sgtin:9521234.000001.1001"))


@pytest.mark.parametrize(
    ("urn", "expected"),
    [
        ("urn:epc:class:lgtin:9521234.000001.L1", ("item:/01/{}/10/L1", "lot:/01/{}/10/L1", "class:/01/{}")),
        ("urn:epc:idpat:sgtin:9521234.000001.*", ("item:/01/{}", "class:/01/{}")),
        ("urn:epc:id:sscc:9521234.0000000001", ("item:/00/095212340000000013",)),
    ],
)
def test_lots_and_classes_are_items_too(urn: str, expected: tuple[str, ...]) -> None:
    wanted = tuple(tag.replace(":", ":https://id.gs1.org", 1).format("09521234000013") for tag in expected)
    assert tags_of(parse_identifier(urn), "item") == wanted


def test_places_and_parties_have_one_tag_each() -> None:
    place = parse_identifier("urn:epc:id:sgln:9521234.00000.0")
    party = parse_identifier("urn:epc:id:pgln:9521234.00000")
    assert tags_of(place, "place") == ("place:https://id.gs1.org/414/9521234000006",)
    assert tags_of(party, "party") == ("party:https://id.gs1.org/417/9521234000006",)
    assert tags_of(place, "party") == ("party:https://id.gs1.org/414/9521234000006",)
    assert tags_of(parse_identifier("https://farm.example/barn"), "place") == ("place:https://farm.example/barn",)
    assert gln_of(place.uri) == gln_of(party.uri) == gln_of("urn:epc:id:sgln:9521234.00000.7") == "9521234000006"
    assert gln_of("https://farm.example/barn") is None
    assert gln_of("no uri") is None
    assert gln_of("https://id.gs1.org/01/09521234000013") is None


def test_long_texts_are_read_but_not_remembered() -> None:
    link = f"https://a.example/{'x' * 300}/01/09521234000013"
    before = identifiers._parse_cached.cache_info().currsize
    assert parse_identifier(link).kind is Kind.CLASS
    assert identifiers._parse_cached.cache_info().currsize == before
    with pytest.raises(IdentifierError) as refused:
        parse_identifier("urn:x:" + "y" * 2048)
    assert refused.value.code == "gs1.length"
