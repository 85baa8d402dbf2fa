"""The pages of shipments in Chromium: what was advised against what came, and its exception, without a script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from api.app import create_app
from api.settings import Settings
from api.shipment_models import AdviseIn, AnswerIn, CompleteIn
from api.shipment_writes import advise, answer, complete
from api.wiring import Engine, open_engine
from tests.api.conftest import serving
from tests.api.test_provenance_http import record
from tests.browser.conftest import Visit, open_at, press, sign_in_at
from tests.browser.test_pages import CONTRAST, SMALL_PHONE, sideways
from tests.conftest import Database
from tests.support.happenings import MAKER, PLANT, STORE, pack, receive
from traceability.ledger.organisations import Scope
from traceability.supply_chain.shipment.events import Resolution

SHOP = "shop.example"
A, B = pack("A"), pack("B")


@dataclass(frozen=True)
class Served:
    engine: Engine
    origin: str
    shipment: str

    def sign_in(self, page: Page, organisation: str, path: str = "") -> None:
        _, key = self.engine.organisations.create_key(organisation, [Scope.QUERY])
        sign_in_at(page, f"{self.origin}/shipments{path}", key)


@pytest.fixture(scope="module")
def served(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = Settings(database_url=SecretStr(shared_database.runtime_url), data=tmp_path_factory.mktemp("data"))
    with open_engine(settings) as engine:
        for name in ("local", MAKER, SHOP):
            engine.organisations.add(name, display_name=name.split(".")[0].title())
        leg = {
            "mode": "road",
            "from": PLANT,
            "to": STORE,
            "carrier": "hauler.example",
            "departure": "2026-03-01T08:00Z",
        }
        body = {"advice": "urn:example:advice:1", "consignee": SHOP, "things": [A, B], "legs": [leg]}
        name = advise(engine, MAKER, AdviseIn.model_validate(body)).shipment
        record(engine, receive(1, A, by=SHOP, transactions=["urn:example:advice:1"]))
        case = complete(engine, SHOP, name, CompleteIn(resolution=Resolution.SEND_PRODUCT, note="one <short>")).case
        assert case is not None
        answer(engine, MAKER, name, case, AnswerIn(accepted=True, alternative=Resolution.CREDIT_ACCOUNT))
        with serving(create_app(engine)) as client:
            yield Served(engine, str(client.base_url).rstrip("/"), name)


def test_what_was_advised_stands_against_what_came(visit: Visit, served: Served) -> None:
    page = visit.page
    served.sign_in(page, SHOP)
    expect(page.locator(".findings li")).to_contain_text("From Maker to Shop.")
    press(page.get_by_role("link", name="urn:example:advice:1"))
    expect(page.locator(".hero")).to_contain_text("Discrepant")
    rows = page.locator("tbody tr")
    # What differs comes first.
    expect(rows.nth(0).locator("td")).to_have_text(["1", "0", "0", "0", "0", "1"])
    expect(rows.nth(1).locator("td")).to_have_text(["1", "0", "1", "0", "0", "0"])
    exceptions = page.get_by_role("region", name="Exceptions")
    expect(exceptions).to_contain_text("Open, accepted, offered instead: Credit account")
    expect(exceptions.locator("li")).to_contain_text(": 1 short")
    expect(page.get_by_role("region", name="Legs")).to_contain_text("by hauler.example")
    expect(page.locator(".history li").nth(2)).to_contain_text("Receipt complete: one <short>")
    visit.traffic.assert_origin_only(served.origin)


def test_the_shipper_is_pointed_to_the_exception(page: Page, served: Served) -> None:
    served.sign_in(page, MAKER, f"/{served.shipment}")
    expect(page.locator("main")).to_contain_text("The consignee counted receipts that you do not see")


def test_who_may_see_nothing_of_it_is_asked_for_a_key(page: Page, served: Served) -> None:
    for path in ("", f"/{served.shipment}", "/none"):
        open_at(page, f"{served.origin}/shipments{path}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to see shipments")


def test_it_fits_a_small_phone_in_the_dark_and_needs_no_script(chromium: Browser, served: Served) -> None:
    with chromium.new_context(java_script_enabled=False, viewport=SMALL_PHONE) as context:
        page = context.new_page()
        served.sign_in(page, SHOP, f"/{served.shipment}")
        expect(page.get_by_role("heading", level=1)).to_have_text("urn:example:advice:1")
    with chromium.new_context(viewport=SMALL_PHONE, color_scheme="dark") as context:
        page = context.new_page()
        served.sign_in(page, SHOP)
        for _ in range(2):
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert sideways(page) <= 0
            assert page.evaluate(CONTRAST) == []
            open_at(page, f"{served.origin}/shipments/{served.shipment}")
