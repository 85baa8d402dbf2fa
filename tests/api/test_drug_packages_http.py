"""Packages of medicines over HTTP and on the command line: made, verified, taken off sale, recalled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from api.cli import app as cli
from tests.conftest import Database
from traceability.ledger.organisations import Scope

DAIRY, STORE = "dairy.example", "store.example"
GTIN, PACK = "09521234000013", "https://id.gs1.org/01/09521234000013/21/A"
SCANNED = "(01)09521234000013(21)A(17)990400(10)L1"
Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def key(bearer: Bearer) -> dict[str, str]:
    return bearer(DAIRY, Scope.CAPTURE, Scope.QUERY)


@pytest.fixture
def pack(client: httpx.Client, key: dict[str, str]) -> str:
    made = client.post(
        "/commands/commission", json={"things": [PACK], "lot": "L1", "expiry": "2099-04-30"}, headers=key
    )
    assert made.status_code == 201, made.text
    return PACK


def verified(client: httpx.Client, key: dict[str, str], **asked: Any) -> Any:
    answer = client.post("/drug-packages/verify", json=asked or {"code": SCANNED}, headers=key)
    assert answer.status_code == 200, answer.text
    return answer.json()


def command(client: httpx.Client, key: dict[str, str], name: str, **body: Any) -> Any:
    return client.post(f"/commands/{name}", json=body, headers=key)


@pytest.mark.usefixtures("pack")
def test_what_stands_on_a_pack_is_verified(client: httpx.Client, key: dict[str, str]) -> None:
    found = verified(client, key)
    assert (found["verified"], found["findings"], found["pack"]["id"]) == (True, [], PACK)
    assert found["pack"]["expiry"] == "2099-04-30"
    assert verified(client, key, gtin=GTIN, serial="A", lot="L2")["findings"] == ["batch_mismatch"]
    assert verified(client, key, gtin=GTIN, serial="A", expiry="990401")["findings"] == ["expiry_mismatch"]
    assert verified(client, key, gtin=GTIN, serial="B", lot="L1")["findings"] == ["pack_not_found"]
    assert verified(client, key, gtin=GTIN, serial="B", lot="L9")["findings"] == ["pack_not_found", "batch_not_found"]
    for nobody in ({}, {"code": SCANNED, "gtin": GTIN, "serial": "A"}, {"gtin": GTIN}, {"code": "(01)09521234000014"}):
        assert client.post("/drug-packages/verify", json=nobody, headers=key).status_code == 422


@pytest.mark.usefixtures("pack")
def test_a_pack_is_taken_off_sale_put_back_and_recalled(client: httpx.Client, key: dict[str, str]) -> None:
    off = command(client, key, "deactivate_pack", things=[PACK], status="supplied")
    assert off.status_code == 201, off.text
    shown = client.get("/drug-packages/01/09521234000013/21/A", headers=key).json()
    assert (shown["may_be_dispensed"], shown["inactive"]["status"], shown["inactive"]["by"]) == (
        False,
        "supplied",
        DAIRY,
    )
    assert shown["inactive"]["event"]["position"] == off.json()["position"]
    before = client.get("/drug-packages/01/09521234000013/21/A", params={"known_at": 1}, headers=key).json()
    assert before["may_be_dispensed"]
    again = command(client, key, "deactivate_pack", things=[PACK], status="exported")
    assert (again.status_code, again.json()["rules"][0]["rule"]) == (409, "deactivated")
    back = command(client, key, "reactivate_pack", things=[PACK], status="supplied")
    assert back.status_code == 201
    assert verified(client, key)["verified"]
    changes = client.get("/drug-packages/01/09521234000013/21/A", headers=key).json()["changes"]
    assert [(one["became"], one["status"], one["by"], one["event"]["position"]) for one in changes] == [
        ("made", None, DAIRY, 1),
        ("inactive", "supplied", DAIRY, off.json()["position"]),
        ("active", "supplied", DAIRY, back.json()["position"]),
    ]
    recalled = command(client, key, "recall_batch", lots=["(01)09521234000013(10)L1"], reason="particles")
    assert recalled.status_code == 201, recalled.text
    assert verified(client, key)["findings"] == ["recalled"]
    for lot in ({"code": "(01)09521234000013(10)L1"}, {"code": "(01)09521234000013"}):
        refused = client.post("/drug-packages/verify", json=lot, headers=key)
        assert (refused.status_code, refused.json()["code"]) == (422, "drug.serial")
    assert client.get("/drug-packages/01/09521234000013/10/L1", headers=key).status_code == 422
    wrong = command(client, key, "recall_batch", lots=["(01)09521234000013"], reason="particles")
    assert wrong.status_code == 422


@pytest.mark.usefixtures("pack")
def test_who_sees_nothing_verifies_nothing(client: httpx.Client, bearer: Bearer) -> None:
    for key in ({}, bearer(STORE, Scope.QUERY)):
        assert verified(client, key)["findings"] == ["pack_not_found", "batch_not_found"]
        assert client.get("/drug-packages/01/09521234000013/21/A", headers=key).status_code == 404


@pytest.mark.usefixtures("pack")
def test_on_the_command_line(client: httpx.Client, key: dict[str, str], database: Database, tmp_path: Path) -> None:
    environment = {"TRACEABILITY_DATABASE_URL": database.runtime_url, "TRACEABILITY_DATA": str(tmp_path / "data")}
    runner = CliRunner(env=environment | {"COLUMNS": "200"})
    good = runner.invoke(cli, ["drug", "verify", SCANNED, "--as", DAIRY])
    assert (good.exit_code, good.stdout) == (0, "verified\n")
    command(client, key, "deactivate_pack", things=[PACK], status="destroyed")
    bad = runner.invoke(cli, ["drug", "verify", SCANNED, "--lot", "L2", "--as", DAIRY])
    assert (bad.exit_code, bad.stdout) == (1, "batch_mismatch\ninactive\n")
    shown = runner.invoke(cli, ["drug", "show", PACK, "--as", DAIRY])
    assert "not to be dispensed: destroyed" in shown.stderr
