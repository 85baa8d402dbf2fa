"""Lots over HTTP and on the command line: where how much is, what is wrong, and whether one may be released."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from api.cli import app as cli
from tests.conftest import Database
from tests.support.epcis_events import CONTEXT, PLACE, event
from traceability.errors import InvalidInputError, NotFoundError
from traceability.ledger.organisations import Scope

DAIRY, STORE = "dairy.example", "store.example"
LOT, PATH = "https://id.gs1.org/01/09521234000013/10/A7", "/lots/01/09521234000013/10/A7"
PHYTO = {"type": "gs1:CertificationDetails", "gs1:certificationType": "phyto", "gs1:certificationEndDate": "2026-03-31"}
Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def key(bearer: Bearer) -> dict[str, str]:
    return bearer(DAIRY, Scope.CAPTURE, Scope.QUERY)


def record(client: httpx.Client, key: dict[str, str], **members: Any) -> None:
    made = {"@context": CONTEXT, **event(epcList=None, **members)}
    answer = client.post("/epcis/events", json=made, headers=key)
    assert answer.status_code == 201, answer.text


def amount(quantity: float, uom: str = "KGM") -> list[dict[str, Any]]:
    return [{"epcClass": LOT, "quantity": quantity, "uom": uom}]


@pytest.fixture
def lot(client: httpx.Client, key: dict[str, str]) -> str:
    place = {"readPoint": {"id": PLACE}, "bizLocation": {"id": PLACE}}
    ilmd = {"cbvmda:bestBeforeDate": "2026-04-30", "cbvmda:itemExpirationDate": "2026-05-31"}
    record(client, key, action="ADD", bizStep="commissioning", quantityList=amount(100.5), ilmd=ilmd, **place)
    record(
        client,
        key,
        eventTime="2026-03-02T09:15:00+01:00",
        bizStep="shipping",
        quantityList=amount(40),
        certificationInfo=[PHYTO],
    )
    record(client, key, eventTime="2026-03-03T09:15:00+01:00", bizStep="destroying", quantityList=amount(90_000, "GRM"))
    return LOT


def shown(client: httpx.Client, key: dict[str, str], **asked: Any) -> Any:
    answer = client.get(PATH, params=asked, headers=key)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.usefixtures("lot")
def test_a_lot_is_told_with_its_amounts_dates_and_findings(client: httpx.Client, key: dict[str, str]) -> None:
    found = shown(client, key)
    assert (found["id"], found["stage"], found["made"], found["dates"]["best_before"]) == (
        LOT,
        "shipped",
        True,
        "2026-04-30",
    )
    (added,) = found["sums"]
    assert (added["uom"], added["made"], added["destroyed"], added["short"], added["left"]) == (
        "KGM",
        "100.5",
        "90",
        "29.5",
        "40",
    )
    (row,) = found["amounts"]
    assert (row["holder"], row["under_way"], row["quantity"], row["place"]) == (DAIRY, True, "40", PLACE)
    (finding,) = found["findings"]
    assert (finding["code"], finding["event"]["position"]) == ("below_zero", 3)
    assert finding["note"] == "29.5 KGM more than dairy.example had"
    assert finding["event"]["receipt"] == f"/provenance/events/{finding['event']['event_id']}/receipt"
    assert found["key_data"][0]["missing"] == ["product_description", "harvest_date", "farm", "reference_document"]
    assert found["description"] is None
    before = shown(client, key, as_of="2026-03-01T12:00:00Z")
    assert (before["stage"], before["findings"], before["sums"][0]["left"]) == ("packed", [], "100.5")
    assert shown(client, key, known_at=1)["sums"][0]["left"] == "100.5"


@pytest.mark.usefixtures("lot")
def test_a_release_asks_for_certificates(client: httpx.Client, key: dict[str, str]) -> None:
    def release(at: str, requires: str) -> Any:
        found = shown(client, key, as_of=at, requires=requires)["release"]
        return found["may_be_released"], [(one["lack"], one["kind"]) for one in found["obstacles"]]

    march, april, june = "2026-03-03T12:00:00Z", "2026-04-03T12:00:00Z", "2026-06-01T12:00:00Z"
    assert release(march, "phyto") == (True, [])
    assert release(march, " phyto , health,") == (False, [("certificate_missing", "health")])
    assert release(april, "phyto") == (False, [("certificate_not_valid", "phyto")])
    assert release(june, "") == (False, [("expired", None)])
    refused = client.get(PATH, params={"requires": ",".join(map(str, range(21)))}, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (422, "lot.requires")


@pytest.mark.usefixtures("lot")
def test_a_recall_stops_the_lot(client: httpx.Client, key: dict[str, str]) -> None:
    body = {"name": "glass", "reason": "splinters", "classification": "I", "roots": [LOT]}
    assert client.post("/recalls", json=body, headers=key).status_code == 201
    found = shown(client, key)
    assert [one["name"] for one in found["recalls"]] == ["glass"]
    assert ("recalled", "glass") in [(one["lack"], one["kind"]) for one in found["release"]["obstacles"]]


@pytest.mark.usefixtures("lot")
def test_who_sees_nothing_of_a_lot_does_not_find_it(client: httpx.Client, key: dict[str, str], bearer: Bearer) -> None:
    for other in ({}, bearer(STORE, Scope.QUERY)):
        assert client.get(PATH, headers=other).status_code == 404
    for wrong in ("/lots/01/09521234000013", "/lots/01/09521234000013/21/1", "/lots/00/095212340000000013"):
        refused = client.get(wrong, headers=key)
        assert (refused.status_code, refused.json()["code"]) == (422, "lot.identifier")


@pytest.mark.usefixtures("client")
def test_members_with_serials_are_counted(client: httpx.Client, key: dict[str, str]) -> None:
    packs = [f"https://id.gs1.org/01/09521234000013/21/{serial}" for serial in range(3)]
    made = client.post("/commands/commission", json={"things": packs, "lot": "A7", "expiry": "2099-01-01"}, headers=key)
    assert made.status_code == 201, made.text
    found = shown(client, key)
    assert found["members"] == {
        "items": 3,
        "ended": {},
        "in_transit": 0,
        "places": [{"place": None, "items": 3}],
    }
    assert (found["stage"], found["dates"]["expiry"], found["amounts"]) == ("packed", "2099-01-01", [])
    many = {"gtin": "09521234000013", "ranges": [{"first": "10000", "last": "19999"}], "lot": "A7"}
    assert client.post("/commands/commission", json=many, headers=key).status_code == 201
    assert shown(client, key)["members"] == {"items": 10_003, "ended": None, "in_transit": None, "places": None}


@pytest.mark.usefixtures("lot")
def test_on_the_command_line(database: Database, tmp_path: Path) -> None:
    environment = {"TRACEABILITY_DATABASE_URL": database.runtime_url, "TRACEABILITY_DATA": str(tmp_path / "data")}
    runner = CliRunner(env=environment | {"COLUMNS": "200"})
    plain = runner.invoke(cli, ["lot", LOT, "--as", DAIRY])
    assert plain.exit_code == 0
    assert plain.stdout.split("\t")[:3] == ["40", "KGM", DAIRY]
    assert "29.5 KGM more than dairy.example had, position 3" in plain.stderr
    asked = ["lot", "(01)09521234000013(10)A7", "--as", DAIRY, "--as-of", "2026-03-03T12:00:00Z", "--json"]
    good = runner.invoke(cli, [*asked, "--requires", "phyto"])
    assert (good.exit_code, json.loads(good.stdout)["release"]["may_be_released"]) == (0, True)
    bad = runner.invoke(cli, [*asked, "--requires", "phyto,health"])
    assert (bad.exit_code, json.loads(bad.stdout)["release"]["may_be_released"]) == (1, False)
    assert isinstance(runner.invoke(cli, ["lot", LOT, "--as", STORE]).exception, NotFoundError)
    assert isinstance(runner.invoke(cli, ["lot", "(01)09521234000013", "--as", DAIRY]).exception, InvalidInputError)
