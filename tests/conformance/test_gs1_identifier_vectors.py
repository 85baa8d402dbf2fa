"""Published identifier vectors, each set run whole; where we differ on purpose the case is named with its reason."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from traceability.gs1.epc_urn import urn_of
from traceability.gs1.errors import IdentifierError
from traceability.gs1.identifiers import Kind, parse_identifier
from traceability.gs1.percent import decode, encode

ROOT = Path(__file__).resolve().parents[2]
EPCIS = (ROOT / os.environ.get("TRACEABILITY_FIXTURES", "../shared/fixtures")).resolve() / "epcis"
pytestmark = pytest.mark.skipif(not EPCIS.is_dir(), reason="shared fixtures absent")

NORMALISER_DEVIATIONS = {
    "http://example.de/gtin-8/01/97803111": "its check digit is wrong, so on a private domain it is a private URI",
}
ENGINE_DEVIATIONS = {
    "HtTp://a/b/00/006141411234567890": "RFC 3986 schemes know no case; the identifier is the same",
    "https://a/gtin/12312312312333": "Digital Link 1.0 spelled keys as words; links printed then are still read",
    "https://a/01/2112345678900": "Digital Link 1.0 allowed GTIN-13",
    "https://a/01/416000336108": "Digital Link 1.0 allowed GTIN-12",
    "https://a/01/02345673": "Digital Link 1.0 allowed GTIN-8",
    "https://a/8004/9520614141234567?01=2112345678900": "attributes are dropped unread: they name nothing",
    "https://a/8004/9520614141234567?01=02345673": "attributes are dropped unread: they name nothing",
    "https://a/01/12312312312333?99=": "attributes are dropped unread: they name nothing",
    "https://a/01/12312312312333?99=ABC&999=faux": "attributes are dropped unread: they name nothing",
    "https://a/01/12312312312333/22/ABC%2d123?99=ABC&98=XYZ+987": "attributes are dropped unread: they name nothing",
    "https://example.com/01/09520123456788?99=XYZ&89=ABC123": "attributes are dropped unread: they name nothing",
}
_RAW = "characters that no URI may hold unescaped"
_CHECK_DIGIT = "its check digit is wrong"
TRANSLATOR_DEVIATIONS = {
    "https://id.gs1.org/8010/4748374/23748#94//8011/94304": _RAW,
    'https://id.gs1.org/253/8934893489494":?>': _RAW,
    'https://id.gs1.org/253/93589983944438!"%&"+': _RAW,
    'https://id.gs1.org/401/4849304738473!""%/%&\'()*+,-.:=': _RAW,
    "https://id.gs1.org/8003/043847837483703:;<>=?AZ_az": _RAW,
    "https://id.gs1.org/8003/01234567890128!\"%&'()*+,-.": _RAW,
    "https://id.gs1.org/01/12345678901231/21/!\"%&'()*+,-./": _RAW,
    "https://id.gs1.org/01/12345678901231/21//19:;<=>?AZ_az": _RAW,
    "https://id.gs1.org/01/57875874837438/235/19:;<=>?AZ_az": _RAW,
    "https://id.gs1.org/8017/123456789012345678": _CHECK_DIGIT,
    "https://google.com/8017/643963764374736343": _CHECK_DIGIT,
    "https://google.com/8017/667602231213121237": _CHECK_DIGIT,
    "urn:epc:idpat:itip:493494.3399430.40.39.*": "there is no piece 40 of 39",
}
TRANSLATOR_ACCEPTED = {
    "urn:ec:id:giai:1234567890": "a URN of another namespace is a private URI",
    "urn:ec:id:pgln:123456.789012": "a URN of another namespace is a private URI",
}
# CBV words are not identifiers; the vocabulary has its own tests.
VOCABULARY = {"BareStringVocabularyTest.java", "CbvVocabularyTest.java"}


def vectors(name: str) -> Any:
    return json.loads((EPCIS / name).read_text(encoding="utf-8"))


def gs1_subject(text: str) -> str | None:
    """The subject of a GS1 identifier, None for what is refused or private."""
    try:
        identifier = parse_identifier(text)
    except IdentifierError:
        return None
    return None if identifier.kind is Kind.PRIVATE else identifier.subject


def test_links_and_urns_as_the_reference_normaliser_has_them() -> None:
    cases = vectors("cbv-event-hash/dl-normaliser-vectors.json")["vectors"]
    texts = [case for case in cases if isinstance(case["in"], str)]
    # The one other input is a JSON number, which never reaches a function that takes text.
    assert [case["out"] for case in cases if case not in texts] == [None]
    assert len(texts) > 40
    differing = {case["in"] for case in texts if gs1_subject(case["in"]) != case["out"]}
    assert differing == NORMALISER_DEVIATIONS.keys()


def test_links_as_the_syntax_engine_reads_them() -> None:
    cases = vectors("gs1-syntax/gs1-syntax-engine-vectors.json")["test_dl_parseDLuri"]
    assert len(cases) > 70
    differing = {case["dl_uri"] for case in cases if (gs1_subject(case["dl_uri"]) is not None) != case["ok"]}
    # The same link appears with several engine options; it counts as a deviation under any of them.
    assert differing == ENGINE_DEVIATIONS.keys()
    for case in cases:
        if not case["ok"]:
            continue
        link = parse_identifier(case["dl_uri"]).uri.removeprefix("https://id.gs1.org/").split("/")
        path = "".join(code + decode(value) for code, value in zip(link[::2], link[1::2], strict=True))
        # Element strings go on with the attributes, and part elements of variable length by FNC1.
        assert case["element_string_caret"].replace("^", "").startswith(path)


def test_escapes_as_the_syntax_engine_has_them() -> None:
    engine = vectors("gs1-syntax/gs1-syntax-engine-vectors.json")
    for case in engine["test_dl_URIunescape"]:
        assert decode(case["in"]) == case["path"]
    for case in engine["test_dl_URIescape"]:
        assert encode(case["in"]) == case["path"]


def translated(case: dict[str, Any]) -> bool:
    """Whether we translate as the vector says, escapes aside (some vectors leave out those that TDS asks for)."""
    try:
        identifier = parse_identifier(case["in"])
        if case["fn"].startswith("toURI"):
            return decode(identifier.uri) == decode(case["out"])
        prefix = case["out"].split(":")[4].split(".")[0]
        return decode(urn_of(identifier.uri, int(case.get("gcp_length", len(prefix))))) == decode(case["out"])
    except IdentifierError:
        return False


def test_urns_and_links_translate_into_each_other() -> None:
    cases = [
        case
        for case in vectors("urn-digital-link/urn-digitallink-vectors.json")["positive"]
        if case["file"] not in VOCABULARY
    ]
    assert len(cases) > 100
    assert {case["in"] for case in cases if not translated(case)} == TRANSLATOR_DEVIATIONS.keys()


def accepted(case: dict[str, Any]) -> bool:
    try:
        identifier = parse_identifier(case["in"])
        if case["fn"].startswith("toURN"):
            urn_of(identifier.uri, int(case.get("gcp_length", 7)))
    except IdentifierError:
        return False
    return True


def test_what_must_not_translate_does_not() -> None:
    cases = vectors("urn-digital-link/urn-digitallink-vectors.json")["negative"]
    assert len(cases) > 150
    assert {case["in"] for case in cases if accepted(case)} == TRANSLATOR_ACCEPTED.keys()
