"""Commands as their users meet them: over HTTP and on the command line."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from eventsourcing.dcb.api import DCBAppendCondition
from typer.testing import CliRunner

from adapters.postgres.event_requests import PostgresEventRequests
from api.cli import app as cli
from api.commands import desk_of
from api.provenance import ask
from api.register import read_statement, state
from api.wiring import Engine
from tests.api.conftest import DAIRY_GLN
from tests.conftest import Database
from tests.support.happenings import GTIN, PALLET, PLANT, TOTE, lot, pack
from traceability.errors import TraceabilityError
from traceability.ledger.event import LedgerEvent
from traceability.ledger.organisations import Scope
from traceability.supply_chain.commands.carrying_out import carry_out
from traceability.supply_chain.commands.refusal import CommandRefusedError, Rule
from traceability.supply_chain.commands.table import COMMANDS
from traceability.supply_chain.decisions import HoldingRole
from traceability.supply_chain.history import item_history

DAIRY = "dairy.example"
RULE = {"action": "commissioning", "since": "2026-01-01T00:00:00Z"}
Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def key(bearer: Bearer) -> dict[str, str]:
    return bearer(DAIRY, Scope.CAPTURE, Scope.QUERY)


def send(client: httpx.Client, key: dict[str, str], name: str, **body: Any) -> httpx.Response:
    return client.post(f"/commands/{name}", json=body, headers=key)


def test_packs_are_commissioned_packed_and_found(client: httpx.Client, key: dict[str, str]) -> None:
    made = send(client, key, "commission", gtin="9521234000013", ranges=[{"first": "1", "last": "9"}], lot="A7")
    assert made.status_code == 201
    assert made.headers["location"] == made.json()["receipt"]
    assert made.json()["position"] == 1
    assert made.json()["eventID"].startswith("urn:uuid:")
    packed = send(client, key, "pack", parent=PALLET, children=[pack(1), "(01)09521234000013(21)2"], read_point=PLANT)
    assert packed.status_code == 201, packed.text
    item = client.get("/provenance/items/01/09521234000013/21/2", headers=key).json()
    assert item["state"]["contained_in"] == [PALLET]
    # It is an EPCIS event like any other.
    events = client.get("/epcis/events", params={"eventType": "AggregationEvent"}, headers=key).json()
    (event,) = events["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
    assert event["childEPCs"] == [pack(1), pack(2)]
    assert event["eventID"] == packed.json()["eventID"]


def test_a_refusal_tells_rule_things_facts_and_remedy(client: httpx.Client, key: dict[str, str]) -> None:
    send(client, key, "commission", things=[pack("A")], event_time="2026-03-01T09:00:00+01:00")
    answer = send(client, key, "commission", things=[pack("A"), pack("B")])
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["code"] == "command.refused"
    assert told["rules"] == [
        {
            "rule": "commissioned_before",
            "requires": "An identifier is issued once.",
            "things": [pack("A")],
            "count": 1,
            "facts": [
                {"position": 1, "sentence": "dairy.example recorded commissioning at 2026-03-01T08:00:00.000000Z."}
            ],
            "remedy": "Use an identifier that was never used; correct the event that issued this one if that was a"
            " mistake.",
        }
    ]
    malformed = send(client, key, "pack", children=["nonsense"])
    assert malformed.status_code == 422
    assert [(one["pointer"]) for one in malformed.json()["errors"]] == ["/parent", "/children/0"]
    assert client.post("/commands/pack", content=b"{", headers=key).json()["code"] == "http.json"
    assert client.post("/commands/fly", json={}, headers=key).status_code == 404
    wrong = send(client, key, "commission", gtin="9521234000014", serials=["1"])
    assert (wrong.status_code, wrong.json()["code"]) == (422, "gs1.check_digit")


@pytest.mark.parametrize("on_the_command_line", [False, True])
def test_a_quantity_keeps_all_its_digits(
    client: httpx.Client, key: dict[str, str], database: Database, tmp_path: Path, *, on_the_command_line: bool
) -> None:
    amount = "12345678901234567.5"
    body = f'{{"quantities": [{{"id": "{lot("MILK")}", "quantity": {amount}, "uom": "KGM"}}]}}'
    if on_the_command_line:
        (tmp_path / "body.json").write_text(body)
        assert run(database, tmp_path, "commission", "--body", str(tmp_path / "body.json")).exit_code == 0
    else:
        assert client.post("/commands/commission", content=body, headers=key).status_code == 201
    assert f'"quantity":{amount},' in client.get("/epcis/events", headers=key).text


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b'"\xff"', b"[" * 100_000, b'{"things":' * 5_000, b'{"event":"\\ud800"}', b'{"event":NaN}',
     b'{"event":"x","reason":' + b"1" * 5_000 + b"}", b'{"event":1e999999999999999999999}'],
)  # fmt: skip
def test_what_is_no_json_is_told(client: httpx.Client, key: dict[str, str], body: bytes) -> None:
    assert client.post("/commands/correct", content=body, headers=key).status_code in (400, 422)


def test_a_request_of_a_key_is_answered_once(client: httpx.Client, key: dict[str, str], engine: Engine) -> None:
    once = {**key, "Idempotency-Key": "1"}
    first = send(client, once, "commission", things=[pack("A")])
    again = send(client, once, "commission", things=[pack("A")])
    assert (again.status_code, again.json()) == (201, first.json())
    for name in ("commission", "observe"):
        other = send(client, once, name, things=[pack("B" if name == "commission" else "A")])
        assert (other.status_code, other.json()["code"]) == (409, "capture.request_key")
    # What was refused recorded nothing, and may be sent again when it can be so.
    held = {**key, "Idempotency-Key": "2"}
    assert send(client, held, "observe", things=[pack("C")]).status_code == 409
    send(client, key, "commission", things=[pack("C")])
    assert send(client, held, "observe", things=[pack("C")]).status_code == 201
    assert engine.ledger.head() == 3


def test_the_same_request_at_the_same_time_is_carried_out_once(
    client: httpx.Client, key: dict[str, str], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All look for the key before any has recorded: even what may be done many times is done once."""
    send(client, key, "commission", things=[pack("A")])
    everybody, looked = threading.Barrier(6), threading.local()
    asked = PostgresEventRequests.position_of

    def position_of(self: PostgresEventRequests, request: Any) -> int | None:
        found = asked(self, request)
        if not getattr(looked, "once", False):
            looked.once = True
            everybody.wait(timeout=60)
        return found

    monkeypatch.setattr(PostgresEventRequests, "position_of", position_of)

    def observe(_: int) -> tuple[int, int]:
        with httpx.Client(base_url=client.base_url, timeout=60) as own:
            answer = send(own, {**key, "Idempotency-Key": "1"}, "observe", things=[pack("A")])
            return answer.status_code, answer.json()["position"]

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(observe, range(6)))
    assert answers == [(201, 2)] * 6
    assert engine.ledger.head() == 2


def test_a_command_depends_on_what_the_register_says(engine: Engine) -> None:
    """Whoever loses a role while its command is judged has lost it when the command is recorded."""
    operator = engine.settings.operator
    role = {"organisation": DAIRY, "role": "maker", "since": "2026-01-01T00:00:00Z"}
    state(engine, operator, read_statement("rule_set", {**RULE, "roles": ["maker"]}, 0))
    state(engine, operator, read_statement("role_given", role, 0))
    made = COMMANDS["commission"].model_validate({"things": [pack("A")]})

    def append(event: LedgerEvent, condition: DCBAppendCondition) -> int:
        state(engine, operator, read_statement("role_given", {**role, "until": role["since"]}, 0))
        return engine.ledger.append([event], condition)

    with pytest.raises(CommandRefusedError) as refused:
        carry_out(made, desk_of(engine, DAIRY), append)
    assert [broken.rule for broken in refused.value.rules] == [Rule.NOT_AUTHORISED]


def test_a_hundred_thousand_serials_are_one_command(client: httpx.Client, key: dict[str, str], engine: Engine) -> None:
    serials = [f"S{n:019d}" for n in range(100_000)]  # more bytes than other bodies may have
    answer = send(client, key, "commission", gtin="9521234000013", serials=serials)
    assert answer.status_code == 201, answer.text
    (record,) = engine.ledger.records([1])
    assert len(record.event.parts.what) == 100_000
    refused = send(client, key, "commission", things=[f"{GTIN}/21/{serials[-1]}"])
    assert refused.json()["rules"][0]["rule"] == "commissioned_before"


def test_another_organisation_answers_for_its_own(client: httpx.Client, key: dict[str, str], bearer: Bearer) -> None:
    send(client, key, "commission", things=[pack("A")])
    store = bearer("store.example", Scope.CAPTURE)
    send(client, key, "pack", parent=PALLET, children=[pack("A")])
    # Nothing of the dairy's is open to the store: it is answered as if nothing were there.
    asked: list[tuple[str, dict[str, Any]]] = [
        ("observe", {"things": [pack("A")]}),
        ("pack", {"parent": TOTE, "children": [pack("A")]}),
        ("unpack", {"parent": PALLET, "children": [pack("A")]}),
        ("decommission", {"things": [pack("A")]}),
        ("accept_transfer", {"things": [pack("A")], "proposal": "P1"}),
    ]
    for name, body in asked:
        hidden = send(client, store, name, **body)
        unknown = send(client, store, name, **{n: [pack("Z")] if isinstance(v, list) else v for n, v in body.items()})
        assert hidden.status_code == 409
        assert hidden.text.replace(pack("A"), pack("Z")) == unknown.text
    assert send(client, store, "commission", things=[pack("A")]).status_code == 201
    unseen = send(client, store, "correct", event="urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001")
    assert (unseen.status_code, unseen.json()["code"]) == (404, "command.no_such_event")


def test_goods_are_handed_over(client: httpx.Client, key: dict[str, str], bearer: Bearer, engine: Engine) -> None:
    gln = "9521234000037"
    engine.organisations.add("shop.example", glns=[gln])
    shop = bearer("shop.example", Scope.CAPTURE, Scope.QUERY)
    send(client, key, "commission", things=[pack("A"), PALLET])
    send(client, key, "pack", parent=PALLET, children=[pack("A")])
    hold = send(client, key, "place_hold", things=[PALLET], reason="no papers").json()
    assert hold["eventID"] is None
    held = send(client, key, "ship", things=[PALLET], to=f"https://id.gs1.org/417/{gln}")
    assert [rule["rule"] for rule in held.json()["rules"]] == ["held"]
    assert held.json()["rules"][0]["things"] == [PALLET, pack("A")]
    assert send(client, key, "release_hold", things=[PALLET], hold=hold["name"]).status_code == 201
    offer = {"things": [PALLET], "role": "ownership", "to": "shop.example", "proposal": "P1"}
    assert send(client, key, "propose_transfer", **offer).json()["name"] == "P1"
    accepted = send(client, shop, "accept_transfer", things=[PALLET], proposal="P1")
    assert accepted.status_code == 201, accepted.text
    assert send(client, key, "ship", things=[PALLET], to=f"(417){gln}").status_code == 201
    received = send(client, shop, "receive", things=[PALLET])
    assert received.status_code == 201, received.text
    asking = engine.organisations.reader("shop.example")
    custody = item_history(ask(engine, asking), PALLET, engine.parties(asking)).custody
    assert [custody.holders(role) for role in HoldingRole] == [("shop.example",), ("shop.example",)]


def run(database: Database, tmp_path: Any, *arguments: str) -> Any:
    environment = {"TRACEABILITY_DATABASE_URL": database.runtime_url, "TRACEABILITY_DATA": str(tmp_path / "data")}
    return CliRunner().invoke(cli, ["command", *arguments, "--as", DAIRY], env=environment)


def test_the_command_line_has_an_option_for_each_member(engine: Engine, database: Database, tmp_path: Any) -> None:
    made = run(database, tmp_path, "commission", "--gtin", DAIRY_GLN, "--serials", "A", "--serials", "B", "--lot", "A7")
    assert (made.exit_code, made.stdout) == (0, "1\n"), made.output
    lots = '{"id": "https://id.gs1.org/01/09521234000013/10/A7", "quantity": "2.50", "uom": "KGM"}'
    shipped = run(database, tmp_path, "ship", "--things", pack("A"), "--to", "(417)9521234000037", "--from", PLANT)
    assert isinstance(shipped.exception, CommandRefusedError)  # of this GTIN nothing was commissioned
    body = tmp_path / "pack.json"
    body.write_text(f'{{"parent": "{TOTE}", "read_point": "{PLANT}"}}')
    packed = run(database, tmp_path, "pack", "--body", str(body), "--parent", PALLET, "--quantities", lots, "--json")
    assert packed.exit_code == 1
    commissioned = run(database, tmp_path, "commission", "--quantities", lots)
    assert commissioned.exit_code == 0, commissioned.output
    packed = run(database, tmp_path, "pack", "--body", str(body), "--parent", PALLET, "--quantities", lots, "--json")
    assert packed.exit_code == 0, packed.output
    (record,) = engine.ledger.records([3])
    assert record.event.parts.what == (
        f'{{"list":"parentID","id":"{PALLET}"}}'.encode(),
        b'{"list":"childQuantityList","id":"https://id.gs1.org/01/09521234000013/10/A7","quantity":2.50,"uom":"KGM"}',
    )
    assert PLANT.encode() in record.event.parts.where


def test_a_member_that_is_true_or_false_is_a_flag(engine: Engine, database: Database, tmp_path: Any) -> None:
    expired = ["--things", pack("A"), "--event-time", "2026-03-01T08:00:00Z", "--lot", "A7", "--expiry", "2026-03-02"]
    made = run(database, tmp_path, "commission", *expired)
    assert made.exit_code == 0, made.output
    shipping = ["ship", "--things", pack("A"), "--to", "(417)9521234000037"]
    assert isinstance(run(database, tmp_path, *shipping).exception, CommandRefusedError)
    shipped = run(database, tmp_path, *shipping, "--unsellable")
    assert shipped.exit_code == 0, shipped.output
    (record,) = engine.ledger.records([2])
    assert b'"non_sellable_other"' in record.event.parts.head


def test_the_command_line_says_what_is_wrong(engine: Engine, database: Database, tmp_path: Any) -> None:
    assert engine.ledger.head() == 0
    for arguments, code in (
        (("pack", "--parent", PALLET), "command.malformed"),
        (("pack", "--parent", "nonsense", "--children", pack(1)), "command.malformed"),
        (("pack", "--parent", PALLET, "--quantities", "nonsense"), "command.malformed"),
        (("pack", "--body", str(tmp_path / "none.json")), "command.file"),
        (("observe", "--things", pack(1)), "command.refused"),
    ):
        error = run(database, tmp_path, *arguments).exception
        assert isinstance(error, TraceabilityError), error
        assert error.code == code
        assert "Value error" not in error.message
