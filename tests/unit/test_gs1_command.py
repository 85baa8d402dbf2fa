"""`traceability gs1`: no database, no server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api.cli.gs1 import app

ROOT = Path(__file__).parents[2]
ITEM = "(01)09521234000013(21)1001"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACEABILITY_COMPANY_PREFIXES", raising=False)


def run(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_value_is_described_in_every_form() -> None:
    result = run("parse", ITEM)
    assert result.exit_code == 0
    assert lines(result) == [
        {
            "ok": True,
            "kind": "bracketed",
            "ais": {"01": "09521234000013", "21": "1001"},
            "element_string": "^0109521234000013211001",
            "bracketed": ITEM,
            "digital_link": "https://id.gs1.org/01/09521234000013/21/1001",
            "id": "https://id.gs1.org/01/09521234000013/21/1001",
            "epc_urn": "urn:epc:id:sgtin:9521234.000001.1001",
        }
    ]


def test_lines_of_standard_input_keep_their_order_and_number() -> None:
    texts = [
        b"]d20109521234000013\x1d10L1",
        b"",
        b"(01)09521234000014\r",
        b"\xff",
        b"]d1anything",
        b"https://dairy.example/01/9521234000013?17=271231&utm=x",
        b"urn:epc:id:imovn:9176187",
    ]
    result = run("parse", "-", "--json", stdin=b"\n".join(texts))
    assert result.exit_code == 1
    scan, empty, wrong, bytes_, other, link, vessel = lines(result)
    assert (scan["kind"], scan["symbology"], scan["message"]) == ("scan", "data-matrix", "^0109521234000013^10L1")
    assert scan["epc_urn"] == "urn:epc:class:lgtin:9521234.000001.L1"
    assert (empty["ok"], empty["code"]) == (False, "gs1.unrecognised")
    assert (wrong["code"], wrong["at"], wrong["fault"]) == ("gs1.check_digit", 17, "INCORRECT_CHECK_DIGIT")
    assert (bytes_["code"], bytes_["at"]) == ("gs1.encoding", 0)
    assert (other["ok"], other["ais"], other["message"], other["element_string"]) == (True, {}, "anything", None)
    assert link["digital_link"] == "https://id.gs1.org/01/09521234000013?17=271231"
    assert link["id"] == "https://id.gs1.org/01/09521234000013"
    assert (vessel["kind"], vessel["digital_link"]) == ("epc_urn", None)


def test_an_argument_that_is_not_utf8_is_refused() -> None:
    result = run("parse", "]d1\udcff")
    assert (result.exit_code, lines(result)[0]["code"], lines(result)[0]["at"]) == (1, "gs1.encoding", 3)


def test_strict_refuses_links_of_earlier_versions() -> None:
    old = "https://dairy.example/gtin/9521234000013"
    assert run("parse", old).exit_code == 0
    refused = run("parse", "--strict", old)
    assert refused.exit_code == 1
    assert lines(refused)[0]["code"] == "gs1.unknown_key"


def test_what_an_identifier_needs_is_told_and_asked_for_of_a_whole_item() -> None:
    (told,) = lines(run("parse", "(21)1001"))
    assert (told["ok"], told["digital_link"]) == (True, None)
    assert told["associations"] == ["(21) needs (01) or (03) or (8006)"]
    (excluded,) = lines(run("parse", "(01)09521234000013(37)5(02)09521234000013"))
    assert "(01) does not go with (37)" in excluded["associations"]
    refused = run("parse", "--whole", "(21)1001")
    assert (refused.exit_code, lines(refused)[0]["code"]) == (1, "gs1.association")


@pytest.mark.parametrize(
    ("to", "more", "expected"),
    [
        ("digital-link", [], "https://id.gs1.org/01/09521234000013/21/1001"),
        ("digital-link", ["--base", "https://dairy.example/x"], "https://dairy.example/x/01/09521234000013/21/1001"),
        ("element-string", [], "^0109521234000013211001"),
        ("bracketed", [], ITEM),
        ("urn", [], "urn:epc:id:sgtin:9521234.000001.1001"),
        ("scan", [], "]d20109521234000013211001"),
        ("scan", ["--symbology", "gs1-128"], "]C10109521234000013211001"),
    ],
)
def test_a_value_is_written_in_another_form(to: str, more: list[str], expected: str) -> None:
    for value in (ITEM, "https://a.example/01/09521234000013/21/1001", "urn:epc:id:sgtin:9521234.000001.1001"):
        result = run("convert", "--to", to, *more, value)
        assert (result.exit_code, result.stdout) == (0, expected + "\n")


def test_what_cannot_be_written_leaves_its_line_empty() -> None:
    result = run("convert", "--to", "urn", "-", stdin=b"(17)271231\n9521234000013\n(01)02112345678900\n")
    assert result.exit_code == 1
    assert result.stdout == "\nurn:epc:idpat:sgtin:9521234.000001.*\n\n"
    assert "3: The length of the company prefix" in result.stderr
    (refused,) = lines(run("convert", "--json", "--to", "bracketed", "urn:epc:id:imovn:9176187"))
    assert refused["code"] == "gs1.no_elements"
    assert lines(run("convert", "--json", ITEM)) == [
        {"ok": True, "value": "https://id.gs1.org/01/09521234000013/21/1001"}
    ]


def test_a_file_of_prefixes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "prefixes"
    file.write_text("211234,9\n")
    for arguments in (["--prefixes", str(file)], []):
        result = run("convert", "--to", "urn", *arguments, "(01)02112345678900")
        assert result.stdout == "urn:epc:idpat:sgtin:211234567.0890.*\n"
        monkeypatch.setenv("TRACEABILITY_COMPANY_PREFIXES", str(file))


def test_the_guide_lists_every_code() -> None:
    said = set(re.findall(r"`(gs1\.\w+)`", (ROOT / "docs" / "guide" / "identifiers.md").read_text()))
    sources = [
        *(ROOT / "traceability" / "gs1").glob("*.py"),
        ROOT / "api/cli/gs1.py",
        ROOT / "adapters/company_prefixes.py",
    ]
    raised = {code for path in sources for code in re.findall(r'"(gs1\.\w+)"', path.read_text())}
    assert raised - {"gs1.identifier"} == said
