"""What the values of MATCH parameters mean (EPCIS 2.0 §8.2.7.1.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceability.gs1.check_digits import check_digit
from traceability.gs1.identifiers import IdentifierError, parse_identifier
from traceability.gs1.patterns import parse_pattern, prefix_tag

GTIN = "https://id.gs1.org/01/09521234000013"
SSCC = "https://id.gs1.org/00/095212340000000013"
ITEM, LOTTED = f"{GTIN}/21/1", f"{GTIN}/10/A7/21/2"
LOT, OTHER_LOT = f"{GTIN}/10/A7", f"{GTIN}/10/B"
GRAI, GIAI = "https://id.gs1.org/8003/09521234000099T1", "https://id.gs1.org/8004/9521234S1"
PRIVATE = "https://farm.example/cow/1"
PLACE, GATE = "https://id.gs1.org/414/9521234000006", "https://id.gs1.org/414/9521234000006/254/5"
PIECE, KIND = "https://id.gs1.org/8006/095212341234530102/21/987", "https://id.gs1.org/8006/095212341234530102"
OTHERS = {
    "gid": "urn:epc:id:gid:95100000.12345.400",
    "usdod": "urn:epc:id:usdod:CJ23A.12345",
    "adi": "urn:epc:id:adi:W81X9C.3KL984PX1.2WMA52",
    "bic": "urn:epc:id:bic:CSQU3054383",
    "imovn": "urn:epc:id:imovn:9176187",
}
ALL = [ITEM, LOTTED, LOT, OTHER_LOT, GTIN, SSCC, GRAI, GIAI, PRIVATE, PLACE, GATE, PIECE, KIND, *OTHERS.values()]


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        (ITEM, {ITEM}),
        ("urn:epc:id:sgtin:9521234.000001.1", {ITEM}),
        (f"{GTIN}/21/2", {LOTTED}),
        (LOT, {LOT, LOTTED}),
        ("urn:epc:class:lgtin:9521234.000001.A7", {LOT, LOTTED}),
        (GTIN, {GTIN, LOT, OTHER_LOT, ITEM, LOTTED}),
        ("urn:epc:idpat:sgtin:9521234.000001.*", {GTIN, LOT, OTHER_LOT, ITEM, LOTTED}),
        ("urn:epc:idpat:sgtin:9521234.*.*", {GTIN, LOT, OTHER_LOT, ITEM, LOTTED}),
        ("urn:epc:idpat:sgtin:952123.*.*", {GTIN, LOT, OTHER_LOT, ITEM, LOTTED}),
        ("urn:epc:idpat:sgtin:95212340.*.*", {GTIN, LOT, OTHER_LOT, ITEM, LOTTED}),
        ("urn:epc:idpat:sgtin:95212341.*.*", set()),
        ("urn:epc:idpat:sgtin:*.*.*", {GTIN, LOT, OTHER_LOT, ITEM, LOTTED}),
        ("urn:epc:idpat:upui:9521234.*.*", {GTIN, LOT, OTHER_LOT}),
        ("urn:epc:idpat:sscc:9521234.*", {SSCC}),
        ("urn:epc:idpat:sscc:9521235.*", set()),
        ("urn:epc:idpat:grai:9521234.*.*", {GRAI}),
        ("urn:epc:idpat:giai:9521234.*", {GIAI}),
        ("urn:epc:idpat:sgln:9521234.*.*", {PLACE, GATE}),
        ("urn:epc:idpat:sgln:9521234.00000.*", {PLACE, GATE}),
        ("urn:epc:idpat:sgln:9521234.00001.*", set()),
        ("urn:epc:idpat:itip:9521234.*.*.*.*", {PIECE, KIND}),
        ("urn:epc:idpat:itip:9521234.012345.*.*.*", {PIECE, KIND}),
        ("urn:epc:idpat:itip:9521234.112345.*.*.*", set()),
        ("urn:epc:idpat:itip:9521234.012345.01.*.*", {PIECE, KIND}),
        ("urn:epc:idpat:itip:9521234.012345.02.*.*", set()),
        ("urn:epc:idpat:itip:9521234.012345.01.02.*", {PIECE, KIND}),
        ("urn:epc:idpat:gid:95100000.*.*", {OTHERS["gid"]}),
        ("urn:epc:idpat:gid:95100000.12345.*", {OTHERS["gid"]}),
        ("urn:epc:idpat:gid:9510000.*.*", set()),
        ("urn:epc:idpat:gid:*.*.*", {OTHERS["gid"]}),
        ("urn:epc:idpat:usdod:CJ23A.*", {OTHERS["usdod"]}),
        ("urn:epc:idpat:adi:W81X9C.*.*", {OTHERS["adi"]}),
        ("urn:epc:idpat:bic:*", {OTHERS["bic"]}),
        ("urn:epc:idpat:bic:CSQU3054383", {OTHERS["bic"]}),
        ("urn:epc:idpat:imovn:*", {OTHERS["imovn"]}),
        (PRIVATE, {PRIVATE}),
    ],
)
def test_what_a_pattern_means(pattern: str, meant: set[str]) -> None:
    read = parse_pattern(pattern)
    assert {uri for uri in ALL if read.matches(parse_identifier(uri))} == meant
    assert meant <= {uri for uri in ALL if read.may_match(uri)}


@pytest.mark.parametrize(
    "text",
    [
        "", "9521234", "urn:epc:idpat:sgtin:9521234.*.1", "urn:epc:idpat:sgtin:9521234.*", "urn:epc:idpat:sgtin:95.*.*",
        "urn:epc:idpat:none:9521234.*", "urn:epc:idpat:sgtin:*.000001.*",
        "urn:epc:idpat:sgln:9521234.0000.*", "urn:epc:idpat:gid:95100000.*",
        "urn:epc:idpat:gid:*.12345.*", "urn:epc:idpat:itip:9521234.*.01.*.*", "urn:epc:idpat:bic:CSQU3054384",
        "https://id.gs1.org/01/09521234000014",
    ],
)  # fmt: skip
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(IdentifierError):
        parse_pattern(text)


_gtins = st.integers(0, 10**13 - 1).map(lambda n: f"{n:013d}").map(lambda body: body + check_digit(body))
_uris = st.one_of(
    _gtins.map(lambda gtin: f"https://id.gs1.org/01/{gtin}/21/1"),
    st.integers(0, 10**17 - 1)
    .map(lambda n: f"{n:017d}")
    .map(lambda body: f"https://id.gs1.org/00/{body}{check_digit(body)}"),
    st.from_regex(r"[0-9]{4}[0-9A-Z]{2,8}", fullmatch=True).map(lambda asset: f"https://id.gs1.org/8004/{asset}"),
)


@given(_uris, st.integers(6, 12))
def test_an_event_that_matches_has_one_of_the_tags(uri: str, length: int) -> None:
    identifier = parse_identifier(uri)
    name = {"01": "sgtin", "00": "sscc", "8004": "giai"}[identifier.key or ""]
    value = uri.split("/")[4][0 if name == "giai" else 1 :]
    prefix = value[:length]
    if not (prefix.isdigit() and len(prefix) == length):
        return
    pattern = parse_pattern(f"urn:epc:idpat:{name}:{prefix}.*{'.*' if name == 'sgtin' else ''}")
    assert pattern.matches(identifier)
    assert prefix_tag(identifier) in pattern.tags
