"""An erasure asked for over HTTP, executed by the owner's command, told everywhere."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import httpx
import pytest

from api.wiring import Engine
from tests.api.test_cli import Run, run
from tests.support.happenings import commission, pack, records
from traceability.ledger.access import Grant
from traceability.ledger.organisations import Scope

__all__ = ["run"]  # a fixture

Bearer = Callable[..., dict[str, str]]
DAIRY = "dairy.example"
WANTED = {"reason": "request of 1 March", "authority": "data protection officer"}


@pytest.fixture
def event_id(engine: Engine) -> UUID:
    """Give an event that the dairy captured, behind one of another organisation."""
    others = [commission(1, pack(1), by="local"), commission(2, pack(2), by=DAIRY)]
    for record in records(others):
        list(engine.ledger.append_all([record.event]))
    found = engine.ledger.records([2])[0].event.event_id
    assert found is not None
    return found


def path(event_id: object) -> str:
    return f"/provenance/events/{event_id}/erasure-requests"


def test_asked_for_executed_and_told(
    client: httpx.Client, engine: Engine, bearer: Bearer, run: Run, event_id: UUID
) -> None:
    ours = bearer(DAIRY, Scope.ADMIN)
    asked = client.post(path(event_id), json=WANTED, headers=ours)
    assert asked.status_code == 201
    told = asked.json()
    assert told == {
        **WANTED,
        "event_id": str(event_id),
        "position": 2,
        "organisation": DAIRY,
        "requested_by": 3,
        "requested_at": told["requested_at"],
        "erased": False,
        "proof": None,
    }
    again = client.post(path(event_id), json={**WANTED, "reason": "another"}, headers=ours)
    assert (again.status_code, again.json()) == (200, told)
    del told["proof"]
    assert client.get("/provenance/erasure-requests", headers=ours).json() == [told]
    # The operator's list has those of all, another organisation's only its own.
    assert client.get("/provenance/erasure-requests", headers=bearer("local", Scope.ADMIN)).json() == [told]
    assert client.get("/provenance/erasure-requests", headers=bearer("store.example", Scope.ADMIN)).json() == []

    assert run("ledger", "erasures", "--pending", "--json").json[0]["event_id"] == str(event_id)
    assert f"2\t{event_id}\trequest of 1 March" in run("ledger", "erasures", "--pending").out
    assert run("ledger", "erasures", "--json").json == []
    done = run("ledger", "erase", "--pending", "--json")
    assert (done.code, done.json) == (0, [{"position": 2, "redacted_by": 4, "purged": True}])
    assert run("ledger", "erase", "--pending", "--json").json == []
    assert "Nothing is waiting" in run("ledger", "erase", "--pending").err
    assert run("ledger", "erasures", "--pending", "--json").json == []
    (listed,) = run("ledger", "erasures", "--json").json
    assert listed == {**WANTED, "position": 2, "event_id": str(event_id), "redacted_by": 4}
    assert "request of 1 March" in run("ledger", "erasures").out
    assert client.get("/provenance/erasure-requests", headers=ours).json() == [{**told, "erased": True}]
    assert client.post(path(event_id), json=WANTED, headers=ours).json() == {**told, "erased": True, "proof": None}
    assert len(engine.ledger.records([2])[0].event.personal_salt or b"") == 64


def test_who_may_ask(client: httpx.Client, engine: Engine, bearer: Bearer, event_id: UUID) -> None:
    store = bearer("store.example", Scope.ADMIN)
    hidden = client.post(path(event_id), json=WANTED, headers=store)
    assert (hidden.status_code, hidden.json()["code"]) == (404, "ledger.unknown_event")
    engine.organisations.set_grant(Grant(DAIRY, "store.example", None, frozenset({"what"})))
    seen = client.post(path(event_id), json=WANTED, headers=store)
    assert (seen.status_code, seen.json()["code"]) == (403, "access.other_organisation")
    assert client.post(path(uuid4()), json=WANTED, headers=store).status_code == 404
    assert client.post(path(event_id), json=WANTED, headers=bearer(DAIRY, Scope.CAPTURE)).status_code == 403
    assert engine.ledger.head() == 2
    assert client.post(path(event_id), json=WANTED, headers=bearer("local", Scope.ADMIN)).status_code == 201


@pytest.mark.parametrize(
    "body", [{}, {"reason": "r"}, {**WANTED, "reason": ""}, {**WANTED, "reason": "a\nb"}, {**WANTED, "person": "A"}]
)
def test_what_is_no_request(client: httpx.Client, bearer: Bearer, event_id: UUID, body: object) -> None:
    assert client.post(path(event_id), json=body, headers=bearer(DAIRY, Scope.ADMIN)).status_code == 422


def test_an_event_that_was_erased_without_a_request(
    client: httpx.Client, bearer: Bearer, run: Run, event_id: UUID
) -> None:
    for words in (["2"], ["--pending", "2"], ["2", "--reason", "r"], []):
        assert run("ledger", "erase", *words).code == 2
    assert run("ledger", "erase", "2", "--reason", "r", "--authority", "a", "--no-purge").code == 0
    answer = client.post(path(event_id), json=WANTED, headers=bearer(DAIRY, Scope.ADMIN))
    assert (answer.status_code, answer.json()["code"]) == (409, "ledger.already_erased")
