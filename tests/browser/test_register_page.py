"""The page of an organisation in the register, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pydantic import SecretStr

from api.app import create_app
from api.notary import integrate_all
from api.register import read_statement, state
from api.settings import Settings
from api.wiring import open_engine
from tests.api.conftest import serving
from tests.browser.conftest import Visit, open_at, press
from tests.browser.test_pages import CONTRAST, SMALL_PHONE, sideways
from tests.browser.test_verify_page import HOLDS, verdict
from tests.conftest import Database

IMPORTER = "importer.example"
NAMED = {"organisation": IMPORTER, "kind": "import", "number": "GZ-7"}
SAID: list[tuple[str, dict[str, Any]]] = [
    (
        "organisation_registered",
        {
            "organisation": IMPORTER,
            "legal_name": "Pearl River Imports <Ltd.>",
            "identifiers": [{"scheme": "uscc", "value": "91440101MA5CTRUE0X"}],
            "office": "Guangzhou Market Supervision Administration",
            "contact": "Li Hua",
        },
    ),
    ("licence_granted", {**NAMED, "issuer": "Guangzhou Customs", "actions": ["receive"], "since": "2026-03-01T00:00Z"}),
    ("licence_suspended", {**NAMED, "reason": "papers are missing", "since": "2026-04-01T00:00Z"}),
    ("prefix_held", {"organisation": IMPORTER, "prefix": "9521234"}),
]


@pytest.fixture(scope="module")
def address(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(database_url=SecretStr(shared_database.runtime_url), data=tmp_path_factory.mktemp("data"))
    with open_engine(settings) as engine:
        for name in ("local", IMPORTER):
            engine.organisations.add(name)
        for type_, said in SAID:
            state(engine, "local", read_statement(type_, said, engine.clock.now_us()))
        claim = read_statement("licence_granted", {**NAMED, "number": "X", "issuer": "Me"}, engine.clock.now_us())
        state(engine, IMPORTER, claim)
        integrate_all(engine)
        with serving(create_app(engine)) as client:
            yield f"{client.base_url}/register/{IMPORTER}"


def test_it_tells_who_this_is_what_it_may_do_and_what_is_a_claim(address: str, page: Page) -> None:
    open_at(page, address)
    expect(page.get_by_role("heading", level=1)).to_have_text("Pearl River Imports <Ltd.>")
    facts = page.locator("dl.facts")
    for fact in ("91440101MA5CTRUE0X", "Guangzhou Market Supervision Administration", "9521234"):
        expect(facts).to_contain_text(fact)
    expect(page.get_by_role("row", name="GZ-7")).to_contain_text("suspended")
    expect(page.locator(".history li")).to_have_count(5)
    expect(page.locator(".history li.claim")).to_contain_text("Whoever said it is no registrar")
    expect(page.locator("body")).not_to_contain_text("Li Hua")


def test_a_licence_is_as_it_was_at_the_time_that_is_asked_for(address: str, page: Page) -> None:
    open_at(page, f"{address}?as_of=2026-03-15T00:00:00Z")
    expect(page.get_by_role("row", name="GZ-7")).to_contain_text("in force")


def test_a_statement_is_verified_in_the_browser(address: str, visit: Visit) -> None:
    page = visit.page
    open_at(page, address)
    press(page.locator(".history li").nth(1).get_by_role("link", name="verify this"))
    verdict(page, HOLDS)
    expect(page.locator("main")).to_contain_text("register.licence_granted.v1")


def test_it_fits_a_small_phone_and_can_be_read_in_the_dark(address: str, page: Page) -> None:
    page.set_viewport_size(SMALL_PHONE)
    page.emulate_media(color_scheme="dark")
    page.goto(address)
    assert sideways(page) <= 0
    assert page.evaluate(CONTRAST) == []
