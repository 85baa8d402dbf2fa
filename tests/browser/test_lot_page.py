"""The page of a lot in Chromium: its stage, how much is where, and what is wrong, without a script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from api.app import create_app
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.api.conftest import serving
from tests.api.test_provenance_http import record
from tests.browser.conftest import Visit, open_at, sign_in_at
from tests.browser.test_pages import CONTRAST, SMALL_PHONE, sideways
from tests.conftest import Database
from tests.support.happenings import MAKER, PALLET
from tests.support.lots import certified, made, packed, sold, used
from traceability.ledger.organisations import Scope

PATH = "/lots/01/09521234000013/10/A7"


@dataclass(frozen=True)
class Served:
    engine: Engine
    origin: str

    def sign_in(self, page: Page, asked: str = "") -> None:
        _, key = self.engine.organisations.create_key(MAKER, [Scope.QUERY])
        sign_in_at(page, f"{self.origin}{PATH}{asked}", key)


@pytest.fixture(scope="module")
def served(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = Settings(database_url=SecretStr(shared_database.runtime_url), data=tmp_path_factory.mktemp("data"))
    with open_engine(settings) as engine:
        for name in ("local", MAKER):
            engine.organisations.add(name, display_name=name.split(".")[0].title())
        ilmd = {"descriptionShort": "Romaine <hearts>", "bestBeforeDate": "2026-04-30"}
        for said in (
            made(1, 100, ilmd=ilmd),
            packed(2, 60, PALLET),
            used(3, 15),
            sold(4, 50, by=MAKER),
            certified(5, "phyto"),
        ):
            record(engine, said)
        with serving(create_app(engine)) as client:
            yield Served(engine, str(client.base_url).rstrip("/"))


def test_amounts_and_findings_are_shown(visit: Visit, served: Served) -> None:
    page = visit.page
    served.sign_in(page, "?requires=phyto,health")
    expect(page.get_by_role("heading", level=1)).to_have_text("Romaine <hearts>, lot A7")
    hero = page.locator(".hero")
    expect(hero).to_contain_text("Packed")
    expect(hero).to_contain_text("Certificate missing: health")
    expect(hero).to_contain_text("2026-04-30")
    rows = page.get_by_role("region", name="How much is where").locator("tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.nth(0).locator("td").nth(0)).to_have_text("35 kg")
    expect(page.get_by_role("region", name="How much is where")).to_contain_text("Made")
    expect(page.get_by_role("region", name="Key data elements")).to_contain_text("reference document")
    stages = page.locator(".history li h3")
    expect(stages).to_have_text(["Packed", "Consumed", "Sold"])
    visit.traffic.assert_origin_only(served.origin)


def test_a_stranger_is_asked_for_a_key(page: Page, served: Served) -> None:
    for path in (PATH, "/lots/01/09521234000013/10/NONE"):
        open_at(page, f"{served.origin}{path}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to see lots")


def test_it_fits_a_small_phone_in_the_dark_and_needs_no_script(chromium: Browser, served: Served) -> None:
    with chromium.new_context(java_script_enabled=False, viewport=SMALL_PHONE, color_scheme="dark") as context:
        page = context.new_page()
        served.sign_in(page)
        expect(page.locator(".hero")).to_contain_text("Packed")
    with chromium.new_context(viewport=SMALL_PHONE, color_scheme="dark") as context:
        page = context.new_page()
        served.sign_in(page)
        expect(page.locator(".hero")).to_contain_text("Packed")
        assert sideways(page) <= 0
        assert page.evaluate(CONTRAST) == []
