"""The page of what is irregular in Chromium: sign in, filter, say that something is known; on a phone, in the dark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect
from pydantic import SecretStr

from api.app import create_app
from api.evaluator import judge
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.api.conftest import serving
from tests.api.test_irregularities_http import DAIRY, STORE, WRONG, A, B, tell
from tests.browser.conftest import Visit, press, sign_in_at
from tests.browser.test_pages import CONTRAST, SMALL_PHONE, sideways
from tests.conftest import Database
from tests.support.happenings import commission
from traceability.ledger.organisations import Scope


@dataclass(frozen=True)
class Served:
    engine: Engine
    origin: str

    def sign_in(self, page: Page, organisation: str, *scopes: Scope, query: str = "") -> None:
        _, key = self.engine.organisations.create_key(organisation, scopes)
        sign_in_at(page, f"{self.origin}/irregularities{query}", key)


@pytest.fixture
def served(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = Settings(database_url=SecretStr(database.runtime_url), data=tmp_path_factory.mktemp("data"))
    with open_engine(settings) as engine:
        for name in (DAIRY, STORE):
            engine.organisations.add(name)
        tell(engine, *WRONG)
        judge(engine, once=True)
        with serving(create_app(engine)) as client:
            yield Served(engine, str(client.base_url).rstrip("/"))


def test_what_is_irregular_is_shown_and_acknowledged(visit: Visit, served: Served) -> None:
    page = visit.page
    page.set_viewport_size(SMALL_PHONE)
    served.sign_in(page, DAIRY, Scope.QUERY, Scope.CAPTURE)
    expect(page.get_by_role("heading", level=1)).to_have_text("Irregularities")
    lines = page.locator("ol.findings > li")
    expect(lines).to_have_count(2)
    expect(lines.first).to_contain_text("ended")
    assert sideways(page) <= 0
    expect(lines.first.get_by_role("link").first).to_have_attribute("href", B.removeprefix("https://id.gs1.org"))
    lines.last.get_by_label("What came of looking into it").fill("asked <the carrier>")
    press(lines.last.get_by_role("button", name="Say that it is known"))
    expect(lines.last).to_contain_text(f"Known to {DAIRY}: asked <the carrier>")
    tell(served.engine, commission(8, A, by=DAIRY))
    press(page.get_by_role("link", name="Irregularities").first)
    expect(page.locator("main")).to_contain_text("Judged up to position 7 of 9.")
    page.get_by_label("Known").select_option("not known")
    press(page.get_by_role("button", name="Show"))
    expect(lines).to_have_count(1)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(CONTRAST) == []


def test_who_may_only_look_is_given_no_form(visit: Visit, served: Served) -> None:
    page = visit.page
    served.sign_in(page, DAIRY, Scope.QUERY, query="?severity=warning")
    expect(page.locator("main")).to_contain_text("None fits.")
    press(page.get_by_role("link", name="Show all"))
    expect(page.locator("ol.findings > li")).to_have_count(2)
    expect(page.get_by_role("button", name="Say that it is known")).to_have_count(0)


def test_each_sees_its_own(visit: Visit, served: Served) -> None:
    served.sign_in(visit.page, STORE, Scope.QUERY)
    expect(visit.page.locator("main")).to_contain_text("Nothing is irregular.")
