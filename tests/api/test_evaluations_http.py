"""Recorded events are judged, over HTTP and on the command line, for who asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from api.cli import app as cli
from api.wiring import Engine
from tests.conftest import Database
from tests.support.happenings import OTHER_PALLET, PALLET, Happening, commission, end, pack, put, records
from traceability.errors import NotFoundError
from traceability.ledger.event import LedgerEvent
from traceability.ledger.organisations import Scope

DAIRY, STORE = "dairy.example", "store.example"
A = pack("A")
Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def wrong(engine: Engine) -> list[int]:
    """Record what cannot be, each by an organisation of its own; return the positions."""
    told = [
        commission(1, A, by=DAIRY),
        put(2, PALLET, A, by=DAIRY),
        put(3, OTHER_PALLET, A, by=DAIRY),
        end(4, A, by=DAIRY),
        commission(5, A, by=STORE),
    ]
    return [engine.ledger.append([recorded(happening)]) for happening in told]


def recorded(happening: Happening) -> LedgerEvent:
    (record,) = records([happening])
    record.event.event_id = record.event.recorded_at = None
    return record.event


def ask(client: httpx.Client, key: dict[str, str], *things: str, **more: Any) -> Any:
    answer = client.post("/provenance/evaluations", json={"things": things, **more}, headers=key)
    assert answer.status_code == 200, answer.text
    return answer.json()


def told(answer: Any) -> list[tuple[str, int, int | None]]:
    return [
        (one["code"], one["event"]["position"], one["against"] and one["against"]["position"])
        for one in answer["irregularities"]
    ]


def test_what_cannot_be_is_told_with_its_events(client: httpx.Client, bearer: Bearer, wrong: list[int]) -> None:
    key = bearer(DAIRY, Scope.QUERY)
    made, first, second, _, _ = wrong
    answer = ask(client, key, "(01)09521234000013(21)A", PALLET)
    assert told(answer) == [("inside", second, first)]
    assert (answer["errors"], answer["warnings"], answer["things"]) == (1, 0, [PALLET, A])
    (one,) = answer["irregularities"]
    assert one["thing"] == A
    assert one["rule"] == "A thing is in one container at a time, and is unpacked before it is packed again."
    assert one["told"].startswith("dairy.example recorded packing at 2026-03-01T03:00:00.000000Z, against this: ")
    assert one["event"]["receipt"] == f"/provenance/events/{one['event']['event_id']}/receipt"
    assert told(ask(client, key, A, known_at=second - 1)) == []
    assert told(ask(client, key, A, known_at=made)) == []


def test_each_is_told_by_what_it_may_see(client: httpx.Client, bearer: Bearer, wrong: list[int]) -> None:
    answer = ask(client, bearer(STORE, Scope.QUERY), A)
    assert told(answer) == []
    assert answer["known_at"] == wrong[-1]
    assert told(ask(client, {}, A)) == []


def test_what_is_known_is_told_with_the_irregularity(client: httpx.Client, bearer: Bearer, wrong: list[int]) -> None:
    key = bearer(DAIRY, Scope.CAPTURE, Scope.QUERY)
    (inside,) = ask(client, key, A)["irregularities"]
    known = {"thing": A, "code": "inside", "event_id": inside["event"]["event_id"], "note": "a scanner was late"}

    def say(by: dict[str, str], **more: Any) -> httpx.Response:
        return client.post("/provenance/evaluations/acknowledgements", json={**known, **more}, headers=by)

    for refused in (say(key, code="ended"), say(key, thing=pack("B")), say(bearer(STORE, Scope.CAPTURE))):
        assert (refused.status_code, refused.json()["code"]) == (404, "evaluation.unknown")
    once = key | {"Idempotency-Key": "1"}
    said = say(once)
    assert said.status_code == 201, said.text
    assert say(once).json() == said.json()
    (inside,) = ask(client, key, A)["irregularities"]
    (acknowledged,) = inside["acknowledged"]
    assert (acknowledged["by"], acknowledged["note"]) == (DAIRY, "a scanner was late")
    assert acknowledged["event"]["position"] == said.json()["position"] > wrong[-1]
    assert ask(client, key, A, known_at=wrong[-1])["irregularities"][0]["acknowledged"] == []


def test_what_is_no_thing_is_refused(client: httpx.Client, bearer: Bearer) -> None:
    key = bearer(DAIRY, Scope.QUERY)
    refused: list[dict[str, Any]] = [
        {"things": []},
        {"things": ["(01)09521234000014"]},
        {"things": [A], "known_at": 9},
        {"thing": A},
    ]
    for body in refused:
        assert client.post("/provenance/evaluations", json=body, headers=key).status_code == 422


@pytest.mark.usefixtures("wrong")
def test_on_the_command_line(database: Database, tmp_path: Path) -> None:
    environment = {
        "TRACEABILITY_DATABASE_URL": database.runtime_url,
        "TRACEABILITY_DATA": str(tmp_path / "data"),
        "COLUMNS": "200",
    }
    runner = CliRunner(env=environment)
    found = runner.invoke(cli, ["evaluation", A, "--as", DAIRY])
    assert found.exit_code == 1
    assert "inside" in found.stdout
    known = runner.invoke(cli, ["evaluation", A, "--acknowledge", "3", "--note", "asked", "--as", DAIRY])
    assert (known.exit_code, known.stdout.rstrip().endswith(DAIRY)) == (1, True)
    nothing = runner.invoke(cli, ["evaluation", A, "--acknowledge", "999", "--as", DAIRY])
    assert isinstance(nothing.exception, NotFoundError)
    assert runner.invoke(cli, ["evaluation", A, "--note", "asked", "--as", DAIRY]).exit_code == 2
    fine = runner.invoke(cli, ["evaluation", PALLET, "--as", DAIRY])
    assert (fine.exit_code, fine.stdout) == (0, "")
    assert "Nothing is irregular" in fine.stderr
