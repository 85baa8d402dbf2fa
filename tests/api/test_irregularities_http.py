"""What is recorded is judged without anybody asking, for each organisation by what it sees, and listed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from typer.testing import CliRunner

from adapters.postgres.erasure import erase
from api.cli import app as cli
from api.evaluator import evaluating, judge, judging_of
from api.wiring import Engine
from tests.api.test_evaluations_http import ask, recorded
from tests.conftest import Database
from tests.support.captures import wait_until
from tests.support.happenings import OTHER_PALLET, PALLET, Happening, commission, end, observe, pack, put
from traceability.errors import ConflictError
from traceability.ledger.access import Grant
from traceability.ledger.organisations import Scope

DAIRY, STORE = "dairy.example", "store.example"
A, B, C = pack("A"), pack("B"), pack("C")
PACKED_AGAIN = replace(put(3, OTHER_PALLET, A, by=DAIRY), event_id="urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0003")
WRONG = [
    commission(1, A, B, C, by=DAIRY),
    put(2, PALLET, A, by=DAIRY),
    PACKED_AGAIN,
    end(4, B, by=DAIRY),
    observe(5, B, by=DAIRY),
    observe(6, C, by=DAIRY),
    commission(7, C, by=STORE),
]
Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def key(bearer: Bearer) -> dict[str, str]:
    return bearer(DAIRY, Scope.QUERY, Scope.CAPTURE)


def tell(engine: Engine, *happenings: Happening) -> None:
    for one in happenings:
        engine.ledger.append([recorded(one)])


def listed(client: httpx.Client, key: dict[str, str], **asked: Any) -> Any:
    answer = client.get("/provenance/irregularities", params=asked, headers=key)
    assert answer.status_code == 200, answer.text
    return answer.json()


def told(answer: Any) -> list[tuple[str, str]]:
    return [(one["thing"], one["code"]) for one in answer["irregularities"]]


def test_what_is_recorded_is_judged_by_the_server(engine: Engine, client: httpx.Client, key: dict[str, str]) -> None:
    assert listed(client, key) == {"judged_to": 0, "head": 0, "irregularities": []}
    with evaluating(engine):
        tell(engine, *WRONG)
        wait_until(lambda: listed(client, key)["judged_to"] == len(WRONG))
    found = listed(client, key)
    assert told(found) == [(B, "ended"), (A, "inside")]
    asked = ask(client, key, A, B, C)["irregularities"]
    kept = [{name: one[name] for name in asked[0]} for one in found["irregularities"]]
    assert sorted(kept, key=lambda one: one["thing"]) == asked
    assert all(one["known_at"] <= found["head"] and one["ended_at"] is None for one in found["irregularities"])


def test_an_error_declaration_ends_it(engine: Engine, client: httpx.Client, key: dict[str, str]) -> None:
    tell(engine, *WRONG)
    judge(engine, once=True)
    assert (A, "inside") in told(listed(client, key))
    tell(engine, PACKED_AGAIN.retracted())
    judge(engine, once=True)
    assert told(listed(client, key)) == [(B, "ended")]
    (over,) = listed(client, key, standing="false")["irregularities"]
    assert (over["thing"], over["code"], over["ended_at"]) == (A, "inside", len(WRONG) + 1)


def test_each_is_told_of_its_own_by_what_it_sees(
    engine: Engine, client: httpx.Client, key: dict[str, str], bearer: Bearer
) -> None:
    store = bearer(STORE, Scope.QUERY)
    tell(engine, *WRONG[:-1])
    judge(engine, once=True)
    before = listed(client, key)["irregularities"]
    tell(engine, *WRONG[-1:], end(8, A, by=STORE), observe(9, A, by=STORE))
    judge(engine, once=True)
    assert listed(client, key)["irregularities"] == before
    assert told(listed(client, store)) == [(A, "ended")]
    # What is seen only now is judged, and no more is told of it than is still seen.
    engine.organisations.set_grant(Grant(STORE, DAIRY, None, frozenset({"what"})))
    assert listed(client, key)["judged_to"] == 0
    judge(engine, once=True)
    assert {(C, "commissioned_before"), (A, "no_authority")} <= set(told(listed(client, key)))
    engine.organisations.end_grant(STORE, DAIRY)
    assert listed(client, key)["irregularities"] == before
    judge(engine, once=True)
    assert listed(client, key)["irregularities"] == before
    assert listed(client, key, standing="false")["irregularities"] == []


def test_the_list_is_paged_and_filtered(engine: Engine, client: httpx.Client, key: dict[str, str]) -> None:
    things = [pack(number) for number in range(7)]
    tell(engine, commission(1, *things, by=DAIRY), end(2, *things, by=DAIRY), observe(3, *things, by=DAIRY), *WRONG)
    judge(engine, once=True)
    whole = listed(client, key)["irregularities"]
    assert len(whole) == 9
    paged, address = [], "/provenance/irregularities?perPage=2"
    while address:
        answer = client.get(address, headers=key)
        paged += answer.json()["irregularities"]
        address = answer.links.get("next", {}).get("url", "")
    assert paged == whole
    assert told(listed(client, key, code="inside")) == [(A, "inside")]
    assert told(listed(client, key, thing="(01)09521234000013(21)A")) == [(A, "inside")]
    assert listed(client, key, severity="warning")["irregularities"] == []
    for wrong in ({"severity": "bad"}, {"after": "1"}, {"thing": "(01)09521234000014"}, {"perPage": 0}):
        assert client.get("/provenance/irregularities", params=wrong, headers=key).status_code == 422


def test_what_is_known_is_told_and_asked_for(engine: Engine, client: httpx.Client, key: dict[str, str]) -> None:
    things = [pack(number) for number in range(5)]
    tell(engine, commission(1, *things, by=DAIRY), end(2, *things, by=DAIRY), observe(3, *things, by=DAIRY))
    judge(engine, once=True)
    one = listed(client, key)["irregularities"][2]
    said = {"thing": one["thing"], "code": one["code"], "event_id": one["event"]["event_id"], "note": "found again"}
    assert client.post("/provenance/evaluations/acknowledgements", json=said, headers=key).status_code == 201
    (known,) = listed(client, key, acknowledged="true")["irregularities"]
    assert (known["thing"], known["acknowledged"][0]["note"]) == (one["thing"], "found again")
    address, unknown = "/provenance/irregularities?acknowledged=false&perPage=2", []
    while address:
        answer = client.get(address, headers=key)
        unknown += told(answer.json())
        address = answer.links.get("next", {}).get("url", "")
    assert unknown == [each for each in told(listed(client, key)) if each[0] != one["thing"]]


def test_what_the_register_states_and_who_has_a_gln_is_judged_by(
    engine: Engine, client: httpx.Client, key: dict[str, str], bearer: Bearer
) -> None:
    tell(engine, *WRONG)
    judge(engine, once=True)
    before = told(listed(client, key))
    operator = bearer("local", Scope.ADMIN, Scope.CAPTURE)
    rule = {"type": "rule_set", "said": {"action": "packing", "licences": ["import"], "since": "2026-01-01T00:00:00Z"}}
    assert client.post("/register", json=rule, headers=operator).status_code == 201
    judge(engine, once=True)
    packed = {thing for thing, _ in told(listed(client, key, code="not_authorised"))}
    assert packed == {A, PALLET, OTHER_PALLET}
    licence = {"organisation": DAIRY, "kind": "import", "number": "1", "issuer": "Customs"}
    stated = {"type": "licence_granted", "said": {**licence, "since": "2026-01-01T00:00:00Z"}, "hidden": True}
    assert client.post("/register", json=stated, headers=operator).status_code == 201
    assert listed(client, key)["judged_to"] < listed(client, key)["head"]
    judge(engine, once=True)
    assert told(listed(client, key)) == before
    engine.organisations.add("mill.example", glns=["9521234000020"])
    assert listed(client, key)["judged_to"] == 0
    judge(engine, once=True)
    assert listed(client, key)["judged_to"] == listed(client, key)["head"]


def test_a_page_that_cannot_be_asked_for_says_why(
    engine: Engine, client: httpx.Client, key: dict[str, str], bearer: Bearer
) -> None:
    page = {**key, "Accept": "text/html"}
    wrong = client.get("/irregularities", params={"thing": "(01)09521234000014"}, headers=page)
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (400, True)
    tell(engine, *WRONG)
    (one, *_) = ask(client, key, A)["irregularities"]
    form = {"thing": A, "code": "ended", "event_id": one["event"]["event_id"]}
    own = {**page, "Sec-Fetch-Site": "same-origin"}
    over = client.post("/irregularities", data=form, headers=own)
    assert (over.status_code, "not irregular any more" in over.text) == (404, True)
    only = {**own, **bearer(DAIRY, Scope.QUERY)}
    assert client.post("/irregularities", data=form, headers=only).status_code == 403
    assert client.post("/irregularities", data=form | {"code": "inside"}, headers=own).status_code == 303


def test_an_erasure_leaves_what_is_told_as_it_is(
    engine: Engine, client: httpx.Client, key: dict[str, str], database: Database
) -> None:
    tell(engine, *WRONG)
    judge(engine, once=True)
    before = listed(client, key)["irregularities"]
    erase(database.owner_url, engine.ledger, 3, reason="asked for", authority="dairy.example")
    judge(engine, once=True, again=0)
    assert listed(client, key)["irregularities"] == before


@pytest.mark.usefixtures("client")
def test_on_the_command_line(engine: Engine, database: Database, tmp_path: Path) -> None:
    environment = {
        "TRACEABILITY_DATABASE_URL": database.runtime_url,
        "TRACEABILITY_DATA": str(tmp_path / "data"),
        "TRACEABILITY_ORGANISATION": DAIRY,
    }
    runner = CliRunner(env=environment)
    tell(engine, *WRONG)
    behind = runner.invoke(cli, ["evaluation", "list"])
    assert (behind.exit_code, behind.stdout, "up to position 0 of 7" in behind.stderr) == (0, "", True)
    done = runner.invoke(cli, ["evaluation", "run", "--once", "--json"])
    assert (done.exit_code, orjson.loads(done.stdout)) == (0, {"judged_to": len(WRONG)})
    lines = runner.invoke(cli, ["evaluation", "list"]).stdout.splitlines()
    assert [line.split("\t")[1] for line in lines] == ["ended", "inside"]
    inside = orjson.loads(runner.invoke(cli, ["evaluation", "list", "--code", "inside", "--json"]).stdout)
    assert ([one["thing"] for one in inside["irregularities"]], inside["after"]) == ([A], None)
    assert runner.invoke(cli, ["evaluation", A, "--acknowledge", "3"]).exit_code == 1
    assert len(runner.invoke(cli, ["evaluation", "list", "--known"]).stdout.splitlines()) == 1
    assert runner.invoke(cli, ["evaluation", "list", "--severity", "bad"]).exit_code == 2
    again = runner.invoke(cli, ["evaluation", "run", "--once", "--from", "0"])
    assert (again.exit_code, again.stdout) == (0, f"{len(WRONG) + 1}\n")
    with judging_of(engine).leadership(engine.urls.runtime) as leads:
        assert leads is not None
        refused = runner.invoke(cli, ["evaluation", "run", "--once"])
    assert isinstance(refused.exception, ConflictError)
    assert refused.exception.code == "evaluation.under_way"
