"""`traceability label`: no database, no server."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import typer
import zxingcpp
from PIL import Image
from typer.testing import CliRunner, Result

from api.cli.label import label
from traceability.errors import InvalidInputError, UnavailableError

CODE = "(01)09521103001011(10)OAK-0902(21)0003"
PATH = "/01/09521103001011/10/OAK-0902/21/0003"

app = typer.Typer()
app.command()(label)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACEABILITY_PUBLIC_URL", raising=False)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def scanned(png: bytes) -> str:
    found = zxingcpp.read_barcode(np.array(Image.open(BytesIO(png))))
    assert found is not None
    return str(found.text)


def test_it_prints_an_svg_for_the_common_resolver() -> None:
    result = run(CODE)
    assert result.exit_code == 0
    assert result.stdout.startswith("<svg ")
    assert f"QR code of https://id.gs1.org{PATH}" in result.stdout
    assert "(01) 09521103001011 (10) OAK-0902 (21) 0003" in result.stdout


def test_it_writes_a_png_by_the_name_of_the_file_that_leads_to_a_server(tmp_path: Path) -> None:
    file = tmp_path / "pack.PNG"
    result = run(CODE, "--output", str(file), "--base", "http://127.0.0.1:8000")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert scanned(file.read_bytes()) == f"http://127.0.0.1:8000{PATH}"


def test_the_format_can_be_said_and_wins_over_the_name(tmp_path: Path) -> None:
    file = tmp_path / "pack.svg"
    assert run(CODE, "-o", str(file), "--format", "png").exit_code == 0
    assert scanned(file.read_bytes()) == f"https://id.gs1.org{PATH}"
    assert scanned(run(CODE, "--format", "png").stdout_bytes) == f"https://id.gs1.org{PATH}"


def test_the_public_address_is_where_labels_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEABILITY_PUBLIC_URL", "https://trace.example/t")
    assert f"QR code of https://trace.example/t{PATH}" in run(CODE).stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["09521103001012"], "gs1.check_digit"),
        (["urn:uuid:1c0f"], "label.private"),
        ([CODE, "--base", "id.gs1.org"], "label.base"),
    ],
)
def test_what_cannot_be_drawn_is_our_error(arguments: list[str], code: str) -> None:
    error = run(*arguments).exception
    assert isinstance(error, InvalidInputError)
    assert error.code == code


def test_a_file_that_cannot_be_written_is_our_error(tmp_path: Path) -> None:
    error = run(CODE, "-o", str(tmp_path / "no" / "such" / "folder.svg")).exception
    assert isinstance(error, UnavailableError)
    assert error.code == "label.output"
