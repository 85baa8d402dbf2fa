"""The pages of partners in Chromium: how each source stands, what went wrong, and pulling one now."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, ViewportSize, expect
from pydantic import SecretStr

from api.app import create_app
from api.partners.define import define
from api.partners.reading import partners_of
from api.partners.runner import reading_partners
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.api.conftest import serving
from tests.browser.conftest import Visit, open_at, press, sign_in_at
from tests.browser.test_pages import CONTRAST, DESK, SMALL_PHONE, sideways
from tests.conftest import Database
from tests.support.capture_runs import packs
from tests.support.captures import wait_until
from tests.support.epcis_events import DAIRY, document, event
from tests.support.partners import Repository, problem, pulled
from tests.support.partners import page as answer_of
from traceability.errors import UnavailableError
from traceability.ledger.organisations import Scope
from traceability.ledger.partners import Kind


@dataclass(frozen=True)
class Served:
    engine: Engine
    app: FastAPI
    origin: str
    key: str
    inbox: Path


@pytest.fixture(scope="module")
def served(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = Settings(
        database_url=SecretStr(shared_database.runtime_url),
        data=tmp_path_factory.mktemp("data"),
        outgoing_allow="127.0.0.1",
        capture_workers=1,
    )
    inbox = tmp_path_factory.mktemp("inbox")
    with open_engine(settings) as engine:
        engine.organisations.add(DAIRY)
        _, key = engine.organisations.create_key(DAIRY, [Scope.QUERY, Scope.ADMIN])
        define(engine, "store", DAIRY, Kind.FOLDER, address=str(inbox))
        define(engine, "carrier", DAIRY, Kind.WEBHOOK)
        good = {**packs(1)[0], "recordTime": "2026-03-01T10:00:00Z"}
        bad = {**event(eventTime="<b>never</b>"), "recordTime": "2026-03-01T10:00:01Z"}
        repository = Repository(lambda _, n: answer_of([good, bad]) if n == 0 else problem(503))
        with repository.served() as address:
            define(engine, "repository", DAIRY, Kind.EPCIS, address=address, secret="X-Key: secret-word")
            pulled(engine, "repository")
            with pytest.raises(UnavailableError):
                pulled(engine, "repository")
        app = create_app(engine)
        with serving(app) as client:
            yield Served(engine, app, str(client.base_url).rstrip("/"), key, inbox)


def sign_in(page: Page, served: Served, path: str = "/partners", key: str | None = None) -> None:
    sign_in_at(page, served.origin + path, key or served.key)


@pytest.mark.parametrize("size", [SMALL_PHONE, DESK], ids=["phone", "desk"])
def test_the_list_and_a_partner_say_how_it_stands(visit: Visit, served: Served, size: ViewportSize) -> None:
    page = visit.page
    page.set_viewport_size(size)
    sign_in(page, served)
    expect(page.get_by_role("heading", level=2)).to_have_text(["carrier", "repository", "store"])
    failing = page.locator("li.error")
    expect(failing).to_contain_text("partner.refused")
    expect(failing).to_contain_text("1 Mar 2026, 10:00")
    assert sideways(page) <= 0
    press(page.get_by_role("link", name="repository"))
    expect(page.get_by_role("heading", level=1)).to_have_text("repository")
    expect(page.get_by_text("2 events, 0 of them known")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(1)
    assert sideways(page) <= 0
    assert "secret-word" not in page.content()
    press(page.get_by_role("link", name="findings").last)
    expect(page.get_by_role("heading", level=1)).to_have_text("Findings")  # the same key, which one sign-in gave
    expect(page.locator("li.error")).to_have_count(1)
    visit.traffic.assert_origin_only(served.origin)


def test_a_partner_is_pulled_now_without_a_script(chromium: Browser, served: Served) -> None:
    pulled(served.engine, "store")  # so that it is due in a minute, and not before
    file = served.inbox / "shipment.json"
    file.write_bytes(document(*packs(2, 3)))
    os.utime(file, (1_772_352_900, 1_772_352_900))
    with chromium.new_context(java_script_enabled=False, viewport=SMALL_PHONE) as context:
        page = context.new_page()
        sign_in(page, served, "/partners/store")
        expect(page.get_by_text("Nothing was captured yet")).to_be_visible()
        with reading_partners(served.engine) as reader:
            served.app.state.partner_reader = reader
            press(page.get_by_role("button", name="Pull now"))
            expect(page).to_have_url(f"{served.origin}/partners/store")
            wait_until(lambda: partners_of(served.engine).get("store")[1].received == 2)
        page.reload()
        expect(page.get_by_text("2 events, 0 of them known")).to_be_visible()
        page.goto(f"{served.origin}/partners/carrier")
        expect(page.get_by_role("heading", level=1)).to_have_text("carrier")
        expect(page.get_by_role("button", name="Pull now")).to_have_count(0)


def test_a_key_that_may_not_administer_is_told_so(chromium: Browser, served: Served) -> None:
    _, reader = served.engine.organisations.create_key(DAIRY, [Scope.QUERY])
    with chromium.new_context() as context:
        page = context.new_page()
        sign_in(page, served, "/subscriptions", reader)
        page.goto(f"{served.origin}/partners")
        expect(page.locator("#key-problem")).to_contain_text("lacks the scope admin")
        expect(page.get_by_label("API key")).to_be_visible()


def test_another_sites_form_pulls_nothing(chromium: Browser, served: Served) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        sign_in(page, served)
        # `localhost` is another site than 127.0.0.1, and the same server.
        form = f'<form method="post" action="{served.origin}/partners/store"><button>x</form>'
        page.route("http://localhost/**", lambda route: route.fulfill(body=form, content_type="text/html"))
        page.goto("http://localhost/")
        press(page.get_by_role("button"))
        expect(page.locator("body")).to_contain_text("access.other_origin")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_enough_contrast_and_controls_room(visit: Visit, served: Served, scheme: str) -> None:
    page = visit.page
    page.set_viewport_size(SMALL_PHONE)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    sign_in(page, served)
    for path in ("/partners", "/partners/repository", "/partners/store"):
        open_at(page, served.origin + path)
        assert page.evaluate(CONTRAST) == []
        heights = page.locator("button, .session a, .findings a").evaluate_all(
            "all => all.map((e) => Math.round(e.getBoundingClientRect().height))"
        )
        assert min(heights) >= 44
