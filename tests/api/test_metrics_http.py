"""What an operator watches: numbers that are right, for the operator alone."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest

from adapters.postgres import metrics as counted
from api.evaluator import judge
from api.notary import integrate_all
from api.wiring import Engine
from tests.api.test_irregularities_http import DAIRY, STORE, WRONG, tell
from tests.support.happenings import commission, pack
from traceability.ledger.organisations import Scope

Bearer = Callable[..., dict[str, str]]
SAMPLE = re.compile(r'(traceability_[a-z_]+)(?:\{[a-z]+="([a-z]+)"\})? (\d+)')


@pytest.fixture
def key(bearer: Bearer) -> dict[str, str]:
    return bearer("local", Scope.QUERY)


def scraped(client: httpx.Client, key: dict[str, str]) -> dict[str, int]:
    answer = client.get("/metrics", headers=key)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found: dict[str, int] = {}
    told: set[str] = set()
    for line in answer.text.splitlines():
        if line.startswith("#"):
            _, what, name, *rest = line.split(" ")
            assert what == "HELP" or rest == ["gauge"]
            told.add(f"{what} {name}")
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample is not None, line
        # Prometheus wants what a metric is before its samples.
        assert {f"HELP {sample[1]}", f"TYPE {sample[1]}"} <= told
        found[" ".join(filter(None, sample.groups()[:2])).removeprefix("traceability_")] = int(sample[3])
    assert answer.text.endswith("\n")
    return found


def test_they_say_how_far_everything_is_and_what_stands(
    engine: Engine, client: httpx.Client, key: dict[str, str]
) -> None:
    nothing = scraped(client, key)
    assert set(nothing.values()) == {0}
    tell(engine, *WRONG)
    before = scraped(client, key)
    assert (before["ledger_position"], before["evaluation_position"]) == (len(WRONG), 0)
    assert before["log_published_position"] == 0
    judge(engine, once=True)
    integrate_all(engine)
    after = scraped(client, key)
    assert after["log_published_position"] == after["evaluation_position"] == after["ledger_position"] == len(WRONG)
    assert after["irregularities_standing error"] == 2
    assert after["irregularities_standing warning"] == 0
    tell(engine, commission(9, pack("Z"), by=STORE))
    assert scraped(client, key)["evaluation_position"] == len(WRONG)
    engine.organisations.add("new.example")  # of whom nothing is judged yet
    assert scraped(client, key)["evaluation_position"] == 0


def test_however_much_stands_it_is_counted_to_a_limit(
    engine: Engine, client: httpx.Client, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(engine, *WRONG)
    judge(engine, once=True)
    monkeypatch.setattr(counted, "MOST_COUNTED", 1)
    assert scraped(client, key)["irregularities_standing error"] == 1


def test_what_waits_and_what_fails_is_counted(
    engine: Engine, client: httpx.Client, key: dict[str, str], bearer: Bearer
) -> None:
    dairy = bearer(DAIRY, *Scope)
    partner = {"name": "d", "organisation": DAIRY, "kind": "webhook"}
    assert client.post("/partners", json=partner, headers=dairy).status_code == 201
    document = {"Content-Type": "application/json", **dairy}
    assert client.post("/epcis/capture", content=b"{}", headers=document).status_code == 202
    named = {"name": "q", "query": {}}
    assert client.post("/epcis/queries", json=named, headers=dairy).status_code == 201
    found = scraped(client, key)
    assert (found["capture_jobs_unfinished"], found["partners_failing"], found["subscriptions_failing"]) == (1, 0, 0)
    with engine.pool.connection() as connection:
        connection.execute("UPDATE work.partner SET failures = 2")
    assert scraped(client, key)["partners_failing"] == 1


def test_they_are_for_the_operator_alone(client: httpx.Client, bearer: Bearer) -> None:
    for headers in ({}, bearer(DAIRY, *Scope)):
        refused = client.get("/metrics", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "access.operator")
    small = client.get("/metrics", headers=bearer("local", Scope.CAPTURE))
    assert (small.status_code, small.json()["code"]) == (403, "access.scope")


def test_they_name_nobody(engine: Engine, client: httpx.Client, key: dict[str, str]) -> None:
    tell(engine, *WRONG)
    judge(engine, once=True)
    text = client.get("/metrics", headers=key).text
    for name in (DAIRY, STORE, "local", "id.gs1.org"):
        assert name not in text
