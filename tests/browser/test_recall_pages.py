"""The pages of recalls in Chromium: who opened a case sees its holders, who was notified its own things."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect
from pydantic import SecretStr

from api.app import create_app
from api.notary import integrate_all
from api.recall_models import AcknowledgeIn, NotifyIn, OpenIn, ScopeIn, ToldIn
from api.recall_writes import acknowledge, notify_holders, open_recall, scope_recall
from api.recalls import describe_recall
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.api.conftest import serving
from tests.api.test_provenance_http import record
from tests.browser.conftest import Visit, open_at, press, sign_in_at
from tests.browser.test_pages import CONTRAST, SMALL_PHONE, sideways
from tests.browser.test_verify_page import HOLDS, verdict
from tests.conftest import Database
from tests.support.happenings import MAKER, PALLET, commission, lot, pack, put, receive, ship
from tests.support.holders import GLNS, OUTSIDE, PARTY, SHOP
from tests.support.sheets import sheet_rows
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.organisations import Scope
from traceability.supply_chain.recall.events import Outcome

A, B, C = (pack(name) for name in "ABC")
NAME = "Listeria <in> soft cheese"


@dataclass(frozen=True)
class Served:
    engine: Engine
    origin: str
    case: str

    def sign_in(self, page: Page, organisation: str, path: str = "") -> None:
        _, key = self.engine.organisations.create_key(organisation, [Scope.QUERY])
        sign_in_at(page, f"{self.origin}/recalls{path}", key)


@pytest.fixture(scope="module")
def served(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = Settings(database_url=SecretStr(shared_database.runtime_url), data=tmp_path_factory.mktemp("data"))
    with open_engine(settings) as engine:
        engine.organisations.add("local")
        for gln, name in GLNS.items():
            engine.organisations.add(name, display_name=name.split(".")[0].title(), glns=[gln])
        engine.organisations.set_grant(Grant(SHOP, MAKER, None, frozenset({"what", "where", "why"})))
        record(
            engine,
            commission(1, A, B, C, number="A7"),
            put(2, PALLET, A, B),
            ship(3, PALLET, to=PARTY[SHOP], owner=PARTY[SHOP]),
            receive(4, PALLET, by=SHOP),
            ship(5, C, to=OUTSIDE, owner=OUTSIDE),
        )
        opened = OpenIn(name=NAME, reason="a sample", classification="I", roots=[lot("A7")])
        case = open_recall(engine, MAKER, opened).case
        scope_recall(engine, MAKER, case, ScopeIn())
        notify_holders(engine, MAKER, case, NotifyIn())
        (notice,) = describe_recall(engine, engine.organisations.reader(SHOP), case).notices
        told = [ToldIn(thing=A, outcome=Outcome.QUARANTINED)]
        acknowledge(engine, SHOP, case, AcknowledgeIn(notice=notice.notice, told=told))
        record(engine, commission(6, pack("late"), number="A7"))
        integrate_all(engine)
        with serving(create_app(engine)) as client:
            yield Served(engine, str(client.base_url).rstrip("/"), case)


def test_who_opened_a_case_sees_who_has_what_and_what_entered_since(visit: Visit, served: Served) -> None:
    page, case = visit.page, f"/recalls/{served.case}"
    served.sign_in(page, MAKER)
    press(page.get_by_role("link", name=NAME))
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    holders = page.get_by_role("region", name="Who has it")
    expect(holders.get_by_role("row", name="Shop")).to_contain_text("1 quarantined")
    expect(holders.get_by_role("row", name=OUTSIDE.rpartition("/")[2])).to_contain_text("not reachable here")
    expect(page.locator(".hero")).to_contain_text("1 thing entered the scope")
    expect(page.locator(".history li")).to_have_count(4)
    # As the browser asks for it, without the abort that ends a navigation which becomes a file.
    expect(page.get_by_role("link", name="All things as XLSX")).to_have_attribute(
        "href", f"{case}/affected?format=xlsx"
    )
    file = page.request.get(f"{served.origin}{case}/affected?format=xlsx", headers={"Accept": "text/html,*/*;q=0.8"})
    heading, *rows = sheet_rows(file.body())
    assert heading[0] == "thing"
    assert [A, "item", SHOP, "no", "yes", "quarantined", "", ""] in rows
    visit.traffic.assert_origin_only(served.origin)


def test_who_was_notified_sees_its_own_things_alone(page: Page, served: Served) -> None:
    served.sign_in(page, SHOP, f"/{served.case}")
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    expect(page.get_by_role("region", name="Who has it")).to_have_count(0)
    expect(page.locator("#own ~ ul li")).to_have_count(2)
    expect(page.locator("main")).not_to_contain_text(OUTSIDE.rpartition("/")[2])
    expect(page.locator(".history li")).to_have_count(2)


def test_who_may_see_nothing_of_it_is_asked_for_a_key(page: Page, served: Served) -> None:
    open_at(page, f"{served.origin}/recalls/{served.case}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to see recalls")


def test_who_opened_it_verifies_what_was_said(page: Page, served: Served) -> None:
    served.sign_in(page, MAKER)
    press(page.get_by_role("link", name=NAME))
    press(page.locator(".history li").first.get_by_role("link", name="verify this"))
    verdict(page, HOLDS)
    expect(page.locator("main")).to_contain_text("supply_chain.recall_opened.v1")


def test_what_the_opener_shows_to_everybody_is_verified_in_the_browser(page: Page, served: Served) -> None:
    served.engine.organisations.set_grant(Grant(MAKER, PUBLIC, None, frozenset({"more"})))
    open_at(page, f"{served.origin}/recalls/{served.case}")
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    expect(page.locator("main")).not_to_contain_text("Shop")
    press(page.locator(".history li").first.get_by_role("link", name="verify this"))
    verdict(page, HOLDS)
    expect(page.locator("main")).to_contain_text("supply_chain.recall_opened.v1")
    served.engine.organisations.end_grant(MAKER, PUBLIC)


@pytest.mark.parametrize("organisation", [MAKER, SHOP])
def test_it_fits_a_small_phone_and_can_be_read_in_the_dark(page: Page, served: Served, organisation: str) -> None:
    page.set_viewport_size(SMALL_PHONE)
    page.emulate_media(color_scheme="dark")
    served.sign_in(page, organisation)
    expect(page.get_by_role("heading", level=1)).to_have_text("Recalls")
    assert sideways(page) <= 0
    assert page.evaluate(CONTRAST) == []
    press(page.get_by_role("link", name=NAME))
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    assert sideways(page) <= 0
    assert page.evaluate(CONTRAST) == []
