"""What an organisation is told in recalls is posted to it: its notices, answers to its own, and ends; nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from adapters.postgres.subscriptions import DeadDelivery
from api.settings import Settings
from api.subscriptions.dead_letters import replay
from api.subscriptions.deliverer import delivering
from api.wiring import Engine
from tests.api.test_recalls_http import OPEN, Caller, caller
from tests.support.captures import wait_until
from tests.support.happenings import MAKER
from tests.support.holders import RIVAL, SHOP
from tests.support.receivers import Receiver, receiving
from traceability.gs1.epcis.subscriptions.signature import check_signature

__all__ = ["caller"]  # a fixture
TOKEN = "13df38d8275b13f05704629e5f1cf3d45d6132d5"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"outgoing_allow": "127.0.0.1"})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def told(receiver: Receiver, path: str) -> list[dict[str, Any]]:
    with receiver.lock:
        taken = [post for post in receiver.taken if post.path == path]
    return [one for post in taken for one in post.document["recalls"]]


def subscribed(caller: Callable[[str], Caller], receiver: Receiver, *names: str) -> dict[str, str]:
    """Have each organisation told under a path of its name; return the ids of the subscriptions."""
    return {
        name: caller(name).post("/subscriptions", dest=f"{receiver.url}/{name}", signatureToken=TOKEN)[
            "subscription_id"
        ]
        for name in names
    }


def test_a_notice_and_its_answer_arrive_signed_and_at_nobody_else(
    caller: Callable[[str], Caller], engine: Engine, receiver: Receiver
) -> None:
    maker, shop = caller(MAKER), caller(SHOP)
    made = subscribed(caller, receiver, MAKER, SHOP, RIVAL)
    with delivering(engine):
        case = maker.post("", **OPEN)["case"]
        maker.post(f"/{case}/scope")
        maker.post(f"/{case}/notices")
        wait_until(lambda: len(told(receiver, f"/{SHOP}")) == 1)
        (notice,) = told(receiver, f"/{SHOP}")
        shown = shop.get(f"/{case}")["said"][0]
        assert notice == {"case": case, **{name: value for name, value in shown.items() if name != "claim"}}
        assert notice["type"] == "notified"
        shop.post(f"/{case}/acknowledgements", notice=notice["said"]["notice"], note="locked away")
        wait_until(lambda: len(told(receiver, f"/{MAKER}")) == 1)
        maker.post(f"/{case}/close", reason="all is back")
        wait_until(lambda: len(told(receiver, f"/{SHOP}")) == 2)
    assert [one["type"] for one in told(receiver, f"/{SHOP}")] == ["notified", "closed"]
    assert [one["type"] for one in told(receiver, f"/{MAKER}")] == ["acknowledged"]
    assert told(receiver, f"/{RIVAL}") == []
    for post in receiver.taken:
        check_signature(post.headers["GS1-Signature"], post.body, TOKEN, now_us=engine.clock.now_us())
    assert receiver.taken[0].document["subscription_id"] == made[SHOP]


def test_a_webhook_is_listed_and_ended_by_whose_it_is_and_is_no_query(
    caller: Callable[[str], Caller], client: httpx.Client, receiver: Receiver
) -> None:
    shop = caller(SHOP)
    made = subscribed(caller, receiver, SHOP)[SHOP]
    assert [one["subscription_id"] for one in shop.get("/subscriptions")] == [made]
    shown = shop.get(f"/subscriptions/{made}")
    assert (shown["dest"], shown["failing"], shown["last_notified_at"]) == (f"{receiver.url}/{SHOP}", None, None)
    assert TOKEN not in repr(shown)
    assert caller(MAKER).get("/subscriptions") == []
    assert caller(MAKER).get(f"/subscriptions/{made}", status=404)["code"] == "subscription.unknown"
    assert client.get("/epcis/queries", headers=shop.headers).json() == []
    for address in ("/epcis/queries/recalls:told", "/epcis/queries/recalls:told/events"):
        assert client.get(address, headers=shop.headers).status_code == 404
    assert client.delete(f"/recalls/subscriptions/{made}", headers=shop.headers).status_code == 204
    assert shop.get("/subscriptions") == []
    private = shop.post("/subscriptions", status=400, dest="https://10.0.0.1/hook")
    assert private["code"] == "outgoing.private"
    assert shop.post("/subscriptions", status=422, dest="http://x", stream=True)["code"] == "http.validation"


def test_what_is_not_taken_is_posted_again_and_a_dead_letter_once_more(
    caller: Callable[[str], Caller], engine: Engine, receiver: Receiver
) -> None:
    maker, shop = caller(MAKER), caller(SHOP)
    made = UUID(subscribed(caller, receiver, SHOP)[SHOP])
    receiver.status = lambda _: 500 if len(receiver.seen) < 3 else 204
    case = maker.post("", **OPEN)["case"]
    maker.post(f"/{case}/scope")
    maker.post(f"/{case}/notices")
    with delivering(engine):
        wait_until(lambda: len(told(receiver, f"/{SHOP}")) == 1)
        wait_until(lambda: shop.get(f"/subscriptions/{made}")["last_notified_at"] is not None)
    assert len(receiver.seen) == 3
    row = engine.subscriptions.find(SHOP, made)
    maker.post(f"/{case}/cancel", reason="mixed up")
    dead = DeadDelivery(uuid4(), made, row.position, engine.ledger.head(), 1, 9, 0, 0, "It was refused.")
    assert engine.subscriptions.give_up(dead, due_at=0)
    assert replay(engine, SHOP, dead.delivery_id) == 1
    assert [one["type"] for one in told(receiver, f"/{SHOP}")] == ["notified", "cancelled"]
    assert engine.subscriptions.dead(SHOP, limit=1) == []
