"""The pages of clocks in Chromium: what is due, overdue first, and what answered it, without a script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from api.app import create_app
from api.clock_models import AnswerIn, StartIn
from api.clocks import answer, start
from api.notary import integrate_all
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.api.conftest import serving
from tests.api.test_provenance_http import record
from tests.browser.conftest import Visit, open_at, press, sign_in_at
from tests.browser.test_pages import CONTRAST, SMALL_PHONE, sideways
from tests.browser.test_verify_page import HOLDS, verdict
from tests.conftest import Database
from tests.support.happenings import MAKER, commission, pack
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.event import EPOCH
from traceability.ledger.organisations import Scope
from traceability.supply_chain.clocks.term import Term, Unit

AGENCY = "agency.example"
A = pack("A")
KEEP = "Keep it"
TRACING, CALL, RECORDS = "Tell who had <it>", "Call back", "Traceability records for the FDA, on request"


@dataclass(frozen=True)
class Served:
    engine: Engine
    origin: str
    answered: str

    def sign_in(self, page: Page, organisation: str, path: str = "") -> None:
        _, key = self.engine.organisations.create_key(organisation, [Scope.QUERY])
        sign_in_at(page, f"{self.origin}/clocks{path}", key)


@pytest.fixture(scope="module")
def served(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = Settings(database_url=SecretStr(shared_database.runtime_url), data=tmp_path_factory.mktemp("data"))
    with open_engine(settings) as engine:
        for name in ("local", MAKER, AGENCY):
            engine.organisations.add(name, display_name=name.split(".")[0].title())
        record(engine, commission(1, A, number="A7"))

        def began(hours: int, rule: str | None, title: str | None, term: Term | None = None) -> str:
            at = EPOCH + timedelta(microseconds=engine.clock.now_us()) - timedelta(hours=hours)
            body = StartIn(rule=rule, title=title, term=term, started_at=at, responsible=MAKER, things=[A])
            return start(engine, AGENCY, body).clock

        answered = began(1, "us.fsma204.records", None)
        began(0, None, CALL, Term(amount=40, unit=Unit.HOURS))
        began(24 * 9, "us.dscsa.tracing", TRACING)
        began(24 * 366 * 3, "us.fsma204.retention", KEEP)
        evidence = engine.ledger.records([1])[0].event.event_id
        assert evidence is not None
        answer(engine, MAKER, answered, AnswerIn(event_id=evidence, note="all of <A7>"))
        integrate_all(engine)
        with serving(create_app(engine)) as client:
            yield Served(engine, str(client.base_url).rstrip("/"), answered)


def test_what_is_due_comes_by_its_due_time(visit: Visit, served: Served) -> None:
    page = visit.page
    served.sign_in(page, MAKER)
    lines = page.locator(".findings li")
    expect(lines.get_by_role("heading")).to_have_text([TRACING, CALL, RECORDS, KEEP])
    expect(lines.nth(0)).to_contain_text("Overdue")
    expect(lines.nth(0)).to_contain_text(re.compile("for [78] days"))  # it ends 24 to 48 hours after the start
    expect(lines.nth(0)).to_contain_text("in America/New_York. Maker has to answer, started by Agency.")
    expect(lines.nth(1)).to_contain_text("39 hours left")
    expect(lines.nth(3)).to_contain_text("Elapsed")
    expect(lines.nth(3)).to_contain_text("Maker has to keep it")
    press(page.get_by_role("navigation", name="States").get_by_role("link", name="Answered in time"))
    expect(lines.get_by_role("heading")).to_have_text([RECORDS])
    press(page.get_by_role("link", name=RECORDS))
    expect(page.get_by_role("heading", level=1)).to_have_text(RECORDS)
    expect(page.locator(".hero")).to_contain_text("Answered in time")
    expect(page.locator(".hero")).to_contain_text("What answered it: receipt · verify this")
    expect(page.locator(".history li")).to_have_count(2)
    expect(page.locator(".history li").last).to_contain_text("Answered by the event at position 1: all of <A7>")
    visit.traffic.assert_origin_only(served.origin)


def test_the_list_goes_on(page: Page, served: Served) -> None:
    served.sign_in(page, AGENCY, "?perPage=2")
    heading = page.locator(".findings li").get_by_role("heading")
    expect(heading).to_have_text([TRACING, CALL])
    press(page.get_by_role("link", name="More clocks"))
    expect(heading).to_have_text([RECORDS, KEEP])
    states = page.get_by_role("navigation", name="States")
    expect(states.locator("[aria-current]")).to_have_text("All")
    # Another state begins at its first page, with what else was asked.
    expect(states.get_by_role("link", name="Overdue")).to_have_attribute("href", "/clocks?perPage=2&state=overdue")
    expect(page.get_by_role("link", name="More clocks")).to_have_count(0)


def test_whoever_asked_sees_that_it_was_answered_and_not_the_answer(page: Page, served: Served) -> None:
    served.sign_in(page, AGENCY, f"/{served.answered}")
    expect(page.locator(".hero")).to_contain_text("Answered in time")
    expect(page.locator(".hero")).not_to_contain_text("What answered it")


def test_who_may_see_nothing_of_it_is_asked_for_a_key(page: Page, served: Served) -> None:
    for path in ("", f"/{served.answered}", "/none"):
        open_at(page, f"{served.origin}/clocks{path}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to see clocks")


def test_what_is_shown_to_everybody_is_verified_in_the_browser(page: Page, served: Served) -> None:
    served.engine.organisations.set_grant(Grant(AGENCY, PUBLIC, None, frozenset({"more"})))
    open_at(page, f"{served.origin}/clocks/{served.answered}")
    expect(page.get_by_role("heading", level=1)).to_have_text(RECORDS)
    press(page.locator(".history li").first.get_by_role("link", name="verify this"))
    verdict(page, HOLDS)
    expect(page.locator("main")).to_contain_text("supply_chain.clock_started.v1")
    served.engine.organisations.end_grant(AGENCY, PUBLIC)


def test_it_fits_a_small_phone_in_the_dark_and_needs_no_script(chromium: Browser, served: Served) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        served.sign_in(page, MAKER)
        expect(page.get_by_role("heading", level=1)).to_have_text("Clocks")
        press(page.get_by_role("link", name=TRACING))
        expect(page.locator(".hero")).to_contain_text("1 business day, within 48 hours")
    with chromium.new_context(viewport=SMALL_PHONE, color_scheme="dark") as context:
        page = context.new_page()
        served.sign_in(page, MAKER)
        for title in (TRACING, RECORDS):
            expect(page.get_by_role("heading", level=1)).to_have_text("Clocks")
            assert sideways(page) <= 0
            assert page.evaluate(CONTRAST) == []
            press(page.get_by_role("link", name=title))
            expect(page.get_by_role("heading", level=1)).to_have_text(title)
            assert sideways(page) <= 0
            assert page.evaluate(CONTRAST) == []
            open_at(page, f"{served.origin}/clocks")
