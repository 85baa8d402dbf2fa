"""The test vectors of GS1's Barcode Syntax Engine, each set run whole; what differs on purpose has its reason."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from traceability.gs1.digital_link import RESOLVER
from traceability.gs1.element_strings import element_string, read_bracketed, read_element_string
from traceability.gs1.errors import IdentifierError
from traceability.gs1.links import link_of, read_link
from traceability.gs1.percent import decode, decode_query, encode
from traceability.gs1.reading import read_value
from traceability.gs1.scan_data import Symbology, read_scan, scan_data

ROOT = Path(__file__).resolve().parents[2]
EPCIS = (ROOT / os.environ.get("TRACEABILITY_FIXTURES", "../shared/fixtures")).resolve() / "epcis"
ENGINE = EPCIS / "gs1-syntax" / "gs1-syntax-engine-vectors.json"
pytestmark = pytest.mark.skipif(not ENGINE.is_file(), reason="shared fixtures absent")

UNKNOWN_AI = (
    "an option of the engine takes Application Identifiers that do not exist; nobody knows where their value ends"
)
DEVIATIONS = {
    "https://example.com/01/09520123456788?99=XYZ&89=ABC123": UNKNOWN_AI,
    "(01)12312312312326(99)000001(89)XXX(95)INT": UNKNOWN_AI,
}
ONLY_WITHOUT_STRICT = {
    "HtTp://a/b/00/006141411234567890",
    "https://a/gtin/12312312312333",
    "https://a/01/2112345678900",
    "https://a/01/416000336108",
    "https://a/01/02345673",
    "https://a/8004/9520614141234567?01=2112345678900",
    "https://a/8004/9520614141234567?01=02345673",
}
SYMBOLOGY = {
    "QR": Symbology.QR,
    "DM": Symbology.DATA_MATRIX,
    "DotCode": Symbology.DOTCODE,
    "DataBarOmni": Symbology.DATABAR,
    "DataBarLimited": Symbology.DATABAR_LIMITED,
    "DataBarExpanded": Symbology.DATABAR_EXPANDED,
    "GS1_128_CCA": Symbology.GS1_128,
    "GS1_128_CCC": Symbology.GS1_128,
    "UPCA": Symbology.UPC_A,
    "UPCE": Symbology.UPC_E,
    "EAN13": Symbology.EAN_13,
    "EAN8": Symbology.EAN_8,
}
AS_THE_SMALLEST_SENDS = {"GS1_128_CCA", "DataBarExpanded", "EAN13", "EAN8", "QR", "DM", "DotCode"}


def vectors(name: str, least: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ENGINE.read_text(encoding="utf-8"))[name]
    assert len(found) >= least
    return found


def as_the_history_has_it(case: dict[str, Any]) -> bool:
    flags = case.get("flags", {})
    return bool(flags.get("permitConvenienceAlphas") or flags.get("permitZeroSuppressedGTINinDLuris"))


def read(text: str, *, strict: bool) -> str | None:
    try:
        return element_string(read_link(text, strict=strict))
    except IdentifierError as error:
        assert 0 <= error.at <= len(text)  # noqa: PT017 - either outcome is right, each is checked
        return None


def expected(case: dict[str, Any]) -> str | None:
    return case["element_string_caret"] if case["ok"] else None


def test_links_are_read() -> None:
    cases = vectors("test_dl_parseDLuri", 80)
    differing = {
        case["dl_uri"]
        for case in cases
        if read(case["dl_uri"], strict=not as_the_history_has_it(case)) != expected(case)
    }
    assert differing == DEVIATIONS.keys() & {case["dl_uri"] for case in cases}


def test_without_strict_the_links_of_earlier_versions_are_read_too() -> None:
    cases = [case for case in vectors("test_dl_parseDLuri", 80) if not case.get("flags")]
    assert {case["dl_uri"] for case in cases if read(case["dl_uri"], strict=False) != expected(case)} == (
        ONLY_WITHOUT_STRICT
    )


def written(case: dict[str, Any]) -> str:
    try:
        return link_of(read_bracketed(case["bracketed"]), case["stem"] or RESOLVER)
    except IdentifierError:
        return ""


def test_links_are_written() -> None:
    cases = vectors("test_dl_generateDLuri", 14)
    differing = {case["bracketed"] for case in cases if written(case) != case["dl_uri"]}
    assert differing == DEVIATIONS.keys() & {case["bracketed"] for case in cases}


def test_escapes() -> None:
    for case in vectors("test_dl_URIunescape", 14):
        assert decode(case["in"]) == case["path"]
        assert decode_query(case["in"]) == case["query"]
    for case in vectors("test_dl_URIescape", 6):
        assert encode(case["in"]) == case["path"]
        # The engine writes a space of a query as a plus sign; no value of GS1's has a space.
        assert encode(case["in"]).replace("%20", "+") == case["query"]


def elements(text: str) -> str | None:
    try:
        return element_string(read_bracketed(text) if text.startswith("(") else read_element_string(text))
    except IdentifierError:
        return None


def test_element_strings_in_brackets() -> None:
    for case in vectors("test_ai_parseAIdata", 18):
        assert elements(case["bracketed"]) == expected(case), case


def test_element_strings_with_fnc1() -> None:
    for case in vectors("test_ai_processAIdata", 57):
        text = case["element_string_caret"]
        assert (elements(text) is not None) == case["ok"], case
        # FNC1 that is not needed is not written again.
        assert not case["ok"] or elements(elements(text) or "") == elements(text)


def scanned(text: str) -> tuple[Symbology, str] | None:
    try:
        scan = read_scan(text, strict=True)
    except IdentifierError:
        return None
    return scan.symbology, scan.message


def test_what_readers_send_is_read() -> None:
    for case in vectors("test_scandata_processScanData", 38):
        found = (SYMBOLOGY[case["symbology"]], case["data_str"]) if case["ok"] else None
        assert scanned(case["scan_data"]) == found, case


def sent(case: dict[str, Any]) -> str | None:
    try:
        return scan_data(SYMBOLOGY[case["symbology"]], case["data_str"])
    except IdentifierError:
        return None


def test_what_readers_send_is_written() -> None:
    cases = vectors("test_scandata_generateScanData", 29)
    for case in cases:
        if case["symbology"] == "NONE":
            assert case["scan_data"] is None
            continue
        assert sent(case) == case["scan_data"], case
        if case["scan_data"] is not None and case["symbology"] in AS_THE_SMALLEST_SENDS and "|" not in case["data_str"]:
            assert scanned(case["scan_data"]) == (SYMBOLOGY[case["symbology"]], read_scan(case["scan_data"]).message)


@pytest.mark.parametrize("name", ["test_ai_parseAIdata", "test_ai_processAIdata", "test_scandata_processScanData"])
def test_any_of_them_is_recognised_for_what_it_is(name: str) -> None:
    for case in vectors(name, 18):
        text = next(case[kind] for kind in ("bracketed", "scan_data", "element_string_caret") if kind in case)
        try:
            reading = read_value(text, strict=True)
        except IdentifierError:
            assert not case["ok"], case
        else:
            assert case["ok"], case
            assert (reading.kind == "scan") == ("scan_data" in case)
