"""The pages of monitoring sessions in Chromium: temperatures, what was found, and the decision, without a script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from api.app import create_app
from api.monitoring_models import CertifyIn, DispositionIn, EvaluateIn, OpenIn, SealIn
from api.monitoring_writes import certify, disposition, evaluate, open_session, seal
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.api.conftest import serving
from tests.browser.conftest import Visit, open_at, press, sign_in_at
from tests.browser.test_pages import CONTRAST, SMALL_PHONE, sideways
from tests.conftest import Database
from tests.support.happenings import MAKER, hours, pack
from tests.support.monitoring import DEVICE, ledger_events, reading
from traceability.ledger.event import utc_text
from traceability.ledger.organisations import Scope
from traceability.supply_chain.cold_chain.events import Disposition

A = pack("A")


@dataclass(frozen=True)
class Served:
    engine: Engine
    origin: str
    session: str
    torn: str
    """A session with excursions on both sides and a gap."""

    def sign_in(self, page: Page, organisation: str, path: str = "") -> None:
        _, key = self.engine.organisations.create_key(organisation, [Scope.QUERY])
        sign_in_at(page, f"{self.origin}/cold-chain/sessions{path}", key)


@pytest.fixture(scope="module")
def served(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = Settings(database_url=SecretStr(shared_database.runtime_url), data=tmp_path_factory.mktemp("data"))
    with open_engine(settings) as engine:
        for name in ("local", MAKER):
            engine.organisations.add(name, display_name=name.split(".")[0].title())
        passed = {"calibrated_at": "2026-01-10T09:00:00Z", "result": "passed", "valid_until": "2027-01-10T00:00:00Z"}
        certificate = {"device": DEVICE, "certificate": "C <1>", "issuer": "Lab", "issued_at": "2026-01-11T09:00:00Z"}
        certify(engine, MAKER, CertifyIn.model_validate(certificate | passed))
        limits = {"name": "mine <own>", "low": "2", "high": "8"}
        body = {"device": DEVICE, "things": [A], "limits": limits, "opened_at": utc_text(hours(0))}
        name = open_session(engine, MAKER, OpenIn.model_validate(body | {"gap_after_minutes": 90})).session
        for event in ledger_events([reading(1, 5), reading(2, 9.5), reading(3, 5)]):
            engine.ledger.append([event])
        seal(engine, MAKER, name, SealIn.model_validate({"until": utc_text(hours(4))}))
        for event in ledger_events([reading(2.5, 30, told=6)]):
            engine.ledger.append([event])
        evaluate(engine, MAKER, name, EvaluateIn())
        decided = DispositionIn(disposition=Disposition.DESTROY, reason="an hour <too> warm")
        disposition(engine, MAKER, name, decided)
        body |= {"things": [pack("B")], "opened_at": utc_text(hours(10))}
        torn = open_session(engine, MAKER, OpenIn.model_validate(body | {"gap_after_minutes": 90})).session
        told = [reading(at, value) for at, value in ((10, 5), (11, 9.5), (12, 5), (16, 1), (17, 5))]
        for event in ledger_events(told):
            engine.ledger.append([event])
        seal(engine, MAKER, torn, SealIn.model_validate({"until": utc_text(hours(18))}))
        with serving(create_app(engine)) as client:
            yield Served(engine, str(client.base_url).rstrip("/"), name, torn)


def test_what_was_watched_and_what_was_decided(visit: Visit, served: Served) -> None:
    page = visit.page
    served.sign_in(page, MAKER)
    lines = page.locator(".findings li")
    expect(lines).to_have_count(2)
    line = lines.filter(has_text="To be destroyed")
    press(line.get_by_role("link"))
    expect(page.locator(".state strong")).to_contain_text("To be destroyed")
    facts = page.locator("dl.facts")
    expect(facts).to_contain_text("certificate C <1>, valid then")
    expect(facts).to_contain_text("mine <own>, version 1: 2 to 8 °C")
    expect(facts).to_contain_text("5 °C and 9.5 °C")
    expect(facts).to_contain_text("60 minutes")
    expect(page.locator("section", has=page.locator("#findings"))).to_contain_text("reading_after_seal")
    expect(page.get_by_role("img", name="Temperature over time")).to_be_visible()
    page.get_by_text("3 readings as a table").click()
    readings = page.get_by_role("region", name="Readings").locator("tbody tr")
    expect(readings).to_have_count(3)
    expect(readings.and_(page.locator(".out"))).to_contain_text("outside 9.5")
    said = page.locator(".history li")
    expect(said).to_have_count(4)
    expect(said.nth(1)).to_contain_text("Sealed: 3 readings")
    expect(said.nth(3)).to_contain_text("To be destroyed: an hour <too> warm")
    visit.traffic.assert_origin_only(served.origin)


def test_excursions_and_gaps_are_shaded_numbered_listed_and_said(visit: Visit, served: Served) -> None:
    page = visit.page
    served.sign_in(page, MAKER, f"/{served.torn}")
    section = page.get_by_role("region", name="Temperature", exact=True)
    expect(section.locator("p").first).to_have_text(
        "5 readings, 1 to 9.5 °C. 2 times outside of the limits, 2 h in all."
        " 1 gap in which nothing is known, 2 h 30 min."
    )
    chart = section.get_by_role("img", name="Temperature over time")
    expect(chart.locator("desc")).to_contain_text("2 times outside of the limits, 2 h in all. 1 gap")
    expect(chart.locator("text.number")).to_have_text(["1", "2", "3"])
    expect(chart.locator("rect.shade")).to_have_count(3)
    expect(section.locator(".legend")).to_contain_text("limits: 2 to 8 °C   outside of the limits   nothing is known")
    expect(section.locator(".legend svg")).to_have_count(2)
    rows = section.get_by_role("region", name="Excursions and gaps").locator("tbody tr")
    expect(rows).to_have_text(
        [
            "1▲ Too warm60 minutes9.51 Mar, 11:001 Mar, 12:00",
            "2Nothing is known2 h 30 min1 Mar, 13:301 Mar, 16:00",
            "3▲ Too cold60 minutes11 Mar, 16:001 Mar, 17:00",
        ]
    )


def test_an_empty_list_says_how_to_begin(page: Page, served: Served) -> None:
    served.sign_in(page, "local")
    expect(page.locator("main")).to_contain_text("Begin by opening one")
    expect(page.locator("main pre")).to_contain_text("traceability monitoring open")
    page.set_viewport_size(SMALL_PHONE)
    assert sideways(page) <= 0
    open_at(page, f"{served.origin}/cold-chain/sessions?thing=(01)09521234000013(21)1")
    expect(page.locator("main")).to_contain_text("None fits")
    press(page.get_by_role("link", name="Show all"))
    expect(page.locator("main")).to_contain_text("Begin by opening one")


def test_who_may_see_nothing_of_it_is_asked_for_a_key(page: Page, served: Served) -> None:
    for path in ("", f"/{served.session}", "/none"):
        open_at(page, f"{served.origin}/cold-chain/sessions{path}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to see monitoring sessions")


def test_it_fits_a_small_phone_in_the_dark_and_needs_no_script(chromium: Browser, served: Served) -> None:
    with chromium.new_context(java_script_enabled=False, viewport=SMALL_PHONE) as context:
        page = context.new_page()
        served.sign_in(page, MAKER, f"/{served.session}")
        expect(page.locator(".state strong")).to_contain_text("To be destroyed")
    with chromium.new_context(viewport=SMALL_PHONE, color_scheme="dark") as context:
        page = context.new_page()
        served.sign_in(page, MAKER)
        for session in (served.session, served.torn, ""):
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert sideways(page) <= 0
            assert page.evaluate(CONTRAST) == []
            open_at(page, f"{served.origin}/cold-chain/sessions/{session}".rstrip("/"))
