"""The pages of subscriptions and dead letters in Chromium: what fails and why, replay, drop; phone, keyboard, dark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect
from pydantic import SecretStr

from adapters.postgres.subscriptions import DeadDelivery, Subscription
from api.app import create_app
from api.named_queries import define
from api.settings import Settings
from api.subscriptions.manage import subscribe
from api.wiring import Engine, open_engine
from tests.api.conftest import serving
from tests.api.test_epcis_events_http import record
from tests.browser.conftest import Visit, open_at, press, sign_in_at
from tests.browser.test_pages import CONTRAST, DESK, SMALL_PHONE, sideways
from tests.conftest import Database
from tests.support.epcis_events import DAIRY, event
from tests.support.receivers import Receiver, receiving
from traceability.gs1.epcis.strict_json import dumps
from traceability.ledger.identifiers import event_id
from traceability.ledger.organisations import Scope

FIRST = "019ca877-0c1b-7000-8000-000000000000"


@dataclass(frozen=True)
class Served:
    engine: Engine
    receiver: Receiver
    origin: str
    key: str
    following: Subscription

    def give_up(self, reason: str = "It answered 422") -> str:
        """Leave a dead letter of one event, and return its address."""
        at = self.engine.clock.now_us()
        one = self.engine.subscriptions.find(DAIRY, self.following.subscription_id)
        dead = DeadDelivery(
            event_id(at, self.engine.entropy.token(10)),
            *(one.subscription_id, one.position, one.position + 1, 1, 900, at - 72 * 3_600_000_000, at, reason),
        )
        assert self.engine.subscriptions.give_up(dead, due_at=0)
        return f"/dead-letters/{dead.delivery_id}"


@pytest.fixture(scope="module")
def served(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = Settings(
        database_url=SecretStr(shared_database.runtime_url),
        data=tmp_path_factory.mktemp("data"),
        outgoing_allow="127.0.0.1",
    )
    with open_engine(settings) as engine, receiving() as receiver:
        engine.organisations.add(DAIRY)
        _, key = engine.organisations.create_key(DAIRY, [Scope.QUERY])
        define(engine, DAIRY, dumps({"name": "shipped", "query": {}}))
        dest = f"{receiver.url}/hook"
        following = subscribe(engine, DAIRY, "shipped", dumps({"dest": dest, "stream": True}))
        daily = {"dest": f"{receiver.url}/{'long-' * 30}", "schedule": {"hour": "1", "minute": "5"}}
        subscribe(engine, DAIRY, "shipped", dumps(daily))
        failing = subscribe(engine, DAIRY, "shipped", dumps({"dest": dest, "stream": True}))
        now = engine.clock.now_us()
        engine.subscriptions.fail(failing, due_at=now, failures=7, failing_since=now, reason="It answered 503 <b>")
        record(engine, *(event(eventID=f"urn:uuid:{number}", bizStep="shipping") for number in range(40)))
        with serving(create_app(engine)) as client:
            yield Served(engine, receiver, str(client.base_url).rstrip("/"), key, following)


def sign_in(page: Page, served: Served, path: str = "/subscriptions") -> None:
    sign_in_at(page, served.origin + path, served.key)


@pytest.mark.parametrize("size", [SMALL_PHONE, DESK], ids=["phone", "desk"])
def test_the_list_says_how_each_is_doing(visit: Visit, served: Served, size: ViewportSize) -> None:
    letter = served.give_up()
    page = visit.page
    page.set_viewport_size(size)
    sign_in(page, served)
    expect(page.get_by_role("heading", level=1)).to_have_text("Subscriptions")
    failing = page.locator("li.error").filter(has_text="503")
    expect(failing).to_contain_text("It answered 503 <b>")
    expect(failing).to_contain_text("7 attempts")
    expect(page.get_by_text("at hour 1, minute 5")).to_be_visible()
    expect(page.locator(f'form[action="{letter}"] button')).to_have_count(2)
    assert sideways(page) <= 0
    press(page.locator(f'h3 a[href="{letter}"]'))
    expect(page.get_by_role("heading", level=1)).to_have_text("1 event not delivered")
    expect(page.get_by_role("heading", name="Shipped")).to_be_visible()
    assert sideways(page) <= 0
    press(page.get_by_role("link", name="All subscriptions"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Subscriptions")
    visit.traffic.assert_origin_only(served.origin)


def test_a_dead_letter_is_replayed_without_a_script(chromium: Browser, served: Served) -> None:
    # Not by `visit`: Chromium logs the 503 of a subscriber that refuses still as an error on the console.
    letter = served.give_up()
    with chromium.new_context(java_script_enabled=False, viewport=SMALL_PHONE) as context:
        page = context.new_page()
        sign_in(page, served, letter)
        served.receiver.status = lambda _: 422
        press(page.get_by_role("button", name="Replay"))
        expect(page.get_by_role("heading", name="It was not taken")).to_be_visible()
        expect(page.locator(".answer")).to_contain_text("The subscriber answered 422")
        served.receiver.status = lambda _: 204
        press(page.get_by_role("button", name="Replay"))
        expect(page).to_have_url(f"{served.origin}/subscriptions")
        expect(page.locator(f'a[href="{letter}"]')).to_have_count(0)
    (told,) = served.receiver.taken[-1].events
    assert told["bizStep"] == "shipping"


def test_a_dead_letter_is_dropped_by_keyboard(visit: Visit, served: Served) -> None:
    letter = served.give_up()
    page = visit.page
    sign_in(page, served, letter)
    page.get_by_role("button", name="Replay").focus()
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    expect(focused).to_have_text("Drop")
    assert focused.evaluate("e => getComputedStyle(e).outlineStyle") != "none"
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{served.origin}/subscriptions")
    assert letter.rpartition("/")[2] not in {
        str(one.delivery_id) for one in served.engine.subscriptions.dead(DAIRY, limit=99)
    }


def test_a_long_list_goes_on(visit: Visit, served: Served) -> None:
    letters = [served.give_up() for _ in range(3)]
    page = visit.page
    sign_in(page, served, "/dead-letters?limit=2")
    expect(page.locator(".findings li")).to_have_count(2)
    while page.locator(f'h3 a[href="{letters[-1]}"]').count() == 0:
        press(page.get_by_role("link", name="More dead letters"))
    expect(page.get_by_role("link", name="More dead letters")).to_have_count(0)
    page.goto(f"{served.origin}/subscriptions?limit=2")
    press(page.get_by_role("link", name="More subscriptions"))
    expect(page.locator("li.error").filter(has_text="503")).to_be_visible()


def test_another_sites_form_drops_nothing(chromium: Browser, served: Served) -> None:
    letter = served.give_up()
    with chromium.new_context() as context:
        page = context.new_page()
        sign_in(page, served)
        # `localhost` is another site than 127.0.0.1, and the same server.
        form = f'<form method="post" action="{served.origin}{letter}"><button name="do" value="drop">x</form>'
        page.route("http://localhost/**", lambda route: route.fulfill(body=form, content_type="text/html"))
        page.goto("http://localhost/")
        press(page.get_by_role("button"))
        expect(page.locator("body")).to_contain_text("access.other_origin")
        page.goto(served.origin + letter)
        expect(page.get_by_role("heading", level=1)).to_have_text("1 event not delivered")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_enough_contrast_and_controls_room(visit: Visit, served: Served, scheme: str) -> None:
    letter = served.give_up()
    page = visit.page
    page.set_viewport_size(SMALL_PHONE)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    sign_in(page, served)
    for path in ("/subscriptions", "/dead-letters", letter):
        open_at(page, served.origin + path)
        assert page.evaluate(CONTRAST) == []
        heights = page.locator("button, summary, .session a, .findings a").evaluate_all(
            "all => all.map((e) => Math.round(e.getBoundingClientRect().height))"
        )
        assert min(heights) >= 44
