"""Recalls of batches and withdrawals of products, as the answer about a thing tells them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from api.wiring import Engine
from tests.api.test_provenance_http import record
from tests.support.happenings import GTIN, OTHER_GTIN, PALLET, Decided, commission, lot, pack, put
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.organisations import Scope
from traceability.supply_chain.drug_package.events import BatchRecalled, ProductWithdrawn

DAIRY, STORE = "dairy.example", "store.example"
A, B, OTHER = pack("A"), pack("B"), f"{OTHER_GTIN}/21/C"
Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def dairy(engine: Engine, client: httpx.Client, bearer: Bearer) -> httpx.Client:
    client.headers = httpx.Headers(bearer(DAIRY, Scope.QUERY))
    record(
        engine,
        commission(1, A, number="L1", by=DAIRY),
        commission(1, B, number="L2", by=DAIRY),
        commission(1, OTHER, number="L1", by=DAIRY),
        put(2, PALLET, A, by=DAIRY),
        Decided(3, BatchRecalled(things=(lot("L1"),), reason="by a stranger"), by=STORE, to=[DAIRY]),
        Decided(4, BatchRecalled(things=(lot("L1"),), reason="particles"), by=DAIRY),
    )
    return client


def stops(client: httpx.Client, thing: str, **asked: Any) -> list[tuple[str, str, str, int]]:
    answer = client.get(f"/provenance/items{thing.removeprefix('https://id.gs1.org')}", params=asked)
    assert answer.status_code == 200, answer.text
    return [(one["type"], one["reason"], one["by"], one["position"]) for one in answer.json()["stops"]]


RECALLED = ("batch_recalled", "particles", DAIRY, 6)


def test_a_recall_of_a_batch_is_told_of_its_packs_and_of_the_batch_alone(dairy: httpx.Client) -> None:
    assert stops(dairy, A) == [RECALLED]
    assert stops(dairy, lot("L1")) == [RECALLED]
    for thing in (B, OTHER, lot("L2"), lot("L1", OTHER_GTIN), PALLET):
        assert stops(dairy, thing) == []
    assert stops(dairy, A, known_at=5) == []
    assert stops(dairy, A, as_of="2026-03-01T03:59:59Z") == []
    assert stops(dairy, A, as_of="2026-03-01T04:00:00Z") == [RECALLED]


def test_a_withdrawal_is_told_of_all_that_is_of_the_product(engine: Engine, dairy: httpx.Client) -> None:
    record(
        engine,
        Decided(5, ProductWithdrawn(things=(GTIN,), reason="a stranger's"), by=STORE, to=[DAIRY]),
        Decided(6, ProductWithdrawn(things=(GTIN,), reason="the licence ended"), by=DAIRY),
    )
    withdrawn = ("product_withdrawn", "the licence ended", DAIRY, 8)
    assert stops(dairy, A) == [RECALLED, withdrawn]
    assert stops(dairy, B) == stops(dairy, lot("L2")) == [withdrawn]
    assert stops(dairy, OTHER) == []
    assert stops(dairy, B, known_at=7) == []


def test_who_does_not_see_the_decision_is_not_told(engine: Engine, dairy: httpx.Client) -> None:
    dairy.headers = httpx.Headers()
    engine.organisations.set_grant(Grant(DAIRY, PUBLIC, None, frozenset({"what", "how"})))
    assert stops(dairy, A) == []
    engine.organisations.set_grant(Grant(DAIRY, PUBLIC, None, frozenset({"what", "how", "more"})))
    assert stops(dairy, A) == [RECALLED]
