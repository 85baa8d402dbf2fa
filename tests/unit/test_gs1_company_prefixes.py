from pathlib import Path

import pytest
from biip.gs1_prefixes import GS1CompanyPrefix
from hypothesis import given
from hypothesis import strategies as st

from adapters.company_prefixes import company_prefixes
from tests.support.gs1 import DIGITS, values
from traceability.errors import InvalidInputError, UnavailableError
from traceability.gs1.application_identifiers import QUALIFIERS
from traceability.gs1.company_prefixes import ListedPrefixes, company_prefix_length
from traceability.gs1.errors import IdentifierError
from traceability.gs1.identifiers import parse_identifier
from traceability.gs1.links import link_of
from traceability.gs1.reading import Reading, read_value, urn

LISTED = ListedPrefixes({"9521": 7, "952123": 9, "4012345": 7})
PUBLISHED = company_prefixes(None)


def test_the_longest_entry_tells() -> None:
    assert LISTED.length_of("952100000000") == 7
    assert LISTED.length_of("952123000000") == 9
    assert LISTED.length_of("401234") is None
    assert ListedPrefixes({"9": 8}, LISTED).length_of("401234500000") == 7


@given(st.text(DIGITS, max_size=13))
def test_the_published_list_is_the_packages(digits: str) -> None:
    found = GS1CompanyPrefix.extract(digits) if digits else None
    assert PUBLISHED.length_of(digits) == (None if found is None else len(found.value))


@pytest.mark.parametrize(
    ("key", "value", "length"),
    [
        ("01", "09521000000010", 7),
        ("01", "19521230000017", 9),
        ("01", "00000095010939", 8),  # a GTIN-8
        ("00", "395210000000000011", 7),
        ("8003", "09521000000010A", 7),
        ("8004", "9521230A", 9),
    ],
)
def test_where_the_prefix_of_a_key_begins(key: str, value: str, length: int) -> None:
    assert company_prefix_length(key, value, LISTED) == length


def test_what_is_not_known_is_not_guessed() -> None:
    with pytest.raises(IdentifierError) as refused:
        urn(read_value("(01)02112345678900"), PUBLISHED)
    assert refused.value.code == "gs1.company_prefix"
    with pytest.raises(IdentifierError) as refused:
        urn(read_value("(415)9521000000018(8020)1"), LISTED)
    assert refused.value.code == "gs1.no_urn"
    with pytest.raises(IdentifierError) as refused:
        urn(read_value("(17)271231"), LISTED)
    assert refused.value.code == "gs1.unknown_key"


@given(st.data())
def test_a_urn_says_the_same_thing_as_its_link(data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(QUALIFIERS)))
    sequence = data.draw(st.sampled_from(QUALIFIERS[key]))
    codes = [key, *[code for code in sequence if key == "415" or data.draw(st.booleans())]]
    ais = {code: data.draw(values(code)) for code in codes}
    prefixes = data.draw(
        st.one_of(
            st.just(PUBLISHED),
            st.lists(st.integers(6, 12), min_size=10, max_size=10).map(
                lambda lengths: ListedPrefixes(dict(zip(DIGITS, lengths, strict=True)))
            ),
        )
    )
    try:
        text = urn(Reading("element_string", ais), prefixes)
    except IdentifierError as refused:
        assert refused.code in {"gs1.no_urn", "gs1.prefix", "gs1.company_prefix"}  # noqa: PT017 - either outcome is right, each is checked
        return
    back = read_value(text)
    assert back.urn == text
    assert parse_identifier(link_of(back.ais)).subject == parse_identifier(link_of(ais)).subject


JSON = (
    '{"GCPPrefixFormatList":{"date":"2026-01-01","entry":[{"prefix":"9521","gcpLength":8},'
    '{"prefix":"0","gcpLength":0}]}}'
)
XML = '<?xml version="1.0"?><GCPPrefixFormatList date="x"><entry prefix="9521" gcpLength="8"/></GCPPrefixFormatList>'


@pytest.mark.parametrize("text", [JSON, XML, "9521,8\n", "# mine\n\n9521;8  # and why\n", "\ufeff9521\t8\r\n"])
def test_a_file_of_the_users_is_asked_first(text: str, tmp_path: Path) -> None:
    file = tmp_path / "prefixes"
    file.write_text(text, encoding="utf-8")
    prefixes = company_prefixes(file)
    assert prefixes.length_of("952123400001") == 8
    assert prefixes.length_of("061414112345") == PUBLISHED.length_of("061414112345") == 7


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"9521,13", b"9521", b"{}", b'{"GCPPrefixFormatList":1}', b"{", b"<a/>", b"\xff", b"[1]"]
)
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "prefixes"
    file.write_bytes(content)
    with pytest.raises(InvalidInputError) as refused:
        company_prefixes(file)
    assert refused.value.code == "gs1.prefix_file"


def test_a_file_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        company_prefixes(tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "ais"),
    [
        ("urn:epc:id:gid:95100000.12345.400", {}),
        ("urn:epc:id:usdod:CJ23A.12345678901", {}),
        ("urn:epc:id:adi:35962.PQ7VZ4.M37GXB92", {}),
        ("urn:epc:id:adi:W81X9C..%23A1", {}),
        ("urn:epc:id:bic:CSQU3054383", {}),
        ("urn:epc:id:imovn:9176187", {}),
        ("urn:epc:idpat:sgtin:*.*.*", {}),
        ("urn:epc:idpat:sgtin:9521234.*.*", {}),
        ("urn:epc:idpat:sgtin:9521234.000001.*", {"01": "09521234000013"}),
        ("urn:epc:idpat:sgtin:9521234.000001.1001", {}),
        ("urn:epc:idpat:sscc:9521234.*", {}),
        ("urn:epc:idpat:itip:9521234.000001.*.*.*", {}),
        ("urn:epc:idpat:itip:9521234.000001.02.*.*", {}),
        ("urn:epc:idpat:itip:9521234.000001.01.02.*", {"8006": "095212340000130102"}),
        ("urn:epc:idpat:giai:9521234.*", {}),
        ("urn:epc:idpat:gid:1.*.*", {}),
        ("urn:epc:idpat:usdod:*.*", {}),
    ],
)
def test_schemes_without_a_link_and_patterns_are_recognised(text: str, ais: dict[str, str]) -> None:
    reading = read_value(text)
    assert reading.kind == ("epc_pattern" if ":idpat:" in text else "epc_urn")
    assert (reading.ais, reading.urn) == (ais, text)
