"""What an item's page has beside the history, in Chromium: who signed in to the pages sees what is for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from zipfile import ZipFile

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from api.app import create_app
from api.evaluator import judge
from api.monitoring_models import CertifyIn, EvaluateIn, OpenIn, SealIn
from api.monitoring_writes import certify, evaluate, open_session, seal
from api.notary import integrate_all
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.api.conftest import serving
from tests.api.test_provenance_http import record
from tests.browser.conftest import Visit, open_at, press, sign_in_at
from tests.browser.test_pages import CONTRAST, DESK, SMALL_PHONE, sideways
from tests.browser.test_verify_page import HOLDS, verdict
from tests.conftest import Database
from tests.support.happenings import MAKER, PALLET, Decided, commission, end, hours, lot, observe, pack, put
from tests.support.monitoring import DEVICE, ledger_events, reading
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.event import utc_text
from traceability.ledger.organisations import Scope
from traceability.supply_chain.drug_package.events import BatchRecalled

A, LONE = pack("A"), pack("LONE")
PATH, LONE_PATH = (thing.removeprefix("https://id.gs1.org") for thing in (A, LONE))


@dataclass(frozen=True)
class Served:
    engine: Engine
    origin: str

    def sign_in(self, page: Page, path: str) -> None:
        _, key = self.engine.organisations.create_key(MAKER, [Scope.QUERY])
        sign_in_at(page, f"{self.origin}/irregularities", key)
        open_at(page, f"{self.origin}{path}")


@pytest.fixture(scope="module")
def served(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = Settings(database_url=SecretStr(shared_database.runtime_url), data=tmp_path_factory.mktemp("data"))
    with open_engine(settings) as engine:
        for name in ("local", MAKER):
            engine.organisations.add(name, display_name=name.split(".")[0].title())
        record(
            engine,
            commission(0, A, number="L1"),
            commission(0, LONE, number="L2"),
            put(1, PALLET, A),
            end(20, A),
            observe(21, A),
            Decided(22, BatchRecalled(things=(lot("L1"),), reason="particles <seen>")),
        )
        passed = {"calibrated_at": "2026-01-10T09:00:00Z", "result": "passed", "valid_until": "2027-01-10T00:00:00Z"}
        certificate = {"device": DEVICE, "certificate": "C1", "issuer": "Lab", "issued_at": "2026-01-11T09:00:00Z"}
        certify(engine, MAKER, CertifyIn.model_validate(certificate | passed))
        body = {"device": DEVICE, "things": [A], "profile": "usp.controlled_cold"}
        opened = [OpenIn.model_validate(body | {"opened_at": utc_text(hours(hour))}) for hour in range(6)]
        session = [open_session(engine, MAKER, one).session for one in opened][-1]
        for event in ledger_events([reading(5, 5), reading(5.3, 16), reading(5.4, 5)]):
            engine.ledger.append([event])
        seal(engine, MAKER, session, SealIn.model_validate({"until": utc_text(hours(5.5))}))
        evaluate(engine, MAKER, session, EvaluateIn())
        judge(engine, once=True)
        integrate_all(engine)
        with serving(create_app(engine)) as client:
            yield Served(engine, str(client.base_url).rstrip("/"))


def test_who_signed_in_sees_sessions_irregularities_and_the_recall_of_the_batch(visit: Visit, served: Served) -> None:
    page = visit.page
    served.sign_in(page, PATH)
    expect(page.locator(".session")).to_contain_text(MAKER)
    expect(page.locator(".warning").first).to_have_text(
        "▲ Batch recalled: particles <seen> (by Maker). That is never undone."
    )
    expect(page.locator(".facts").get_by_role("link", name="whether it may be dispensed")).to_have_attribute(
        "href", f"/drug-packages{PATH}"
    )
    sessions = page.get_by_role("region", name="Watched by devices")
    expect(sessions.get_by_role("listitem")).to_have_count(5)
    expect(sessions.get_by_role("listitem").first).to_have_text(
        "Session of 1 Mar 2026, 05:00 UTC▲ Evaluated, a limit was broken by asset 9521234L1, opened by Maker"
    )
    expect(sessions.get_by_role("listitem").last).to_contain_text("1 Mar 2026, 01:00 UTCGap by")
    irregular = page.get_by_role("region", name="What is irregular")
    expect(irregular.get_by_role("listitem").first).to_contain_text("ended")
    press(sessions.get_by_role("link", name="All sessions"))
    expect(page.locator("ol.findings > li")).to_have_count(6)
    open_at(page, f"{served.origin}{PATH}")
    press(irregular.get_by_role("link"))
    expect(page.locator("ol.findings > li").first).to_contain_text("ended")
    expect(page.get_by_label("Thing")).to_have_value(A)
    open_at(page, f"{served.origin}{PATH}")
    press(sessions.get_by_role("listitem").first.get_by_role("link"))
    expect(page.locator(".kind")).to_have_text("Monitoring session")
    visit.traffic.assert_origin_only(served.origin)


def test_what_a_signed_in_reader_takes_along_is_what_it_sees(page: Page, served: Served) -> None:
    served.sign_in(page, PATH)
    links = page.get_by_role("region", name="Take it along").get_by_role("link")
    expect(links).to_have_text(
        ["GraphML", "Mermaid", "JSON-LD", "JSON", "JSON, a line each", "bundle that verifies offline"]
    )
    receipt = page.locator(".history li").first.get_by_role("link", name=re.compile("^receipt"))
    got: dict[str, bytes] = {}
    for link in (*links.all(), receipt, page.get_by_role("link", name="Download the receipt")):
        # As the browser asks for it, without the abort that ends a navigation which becomes a file.
        expect(link).not_to_have_attribute("download", re.compile(""))
        address = f"{served.origin}{link.get_attribute('href')}"
        answer = page.request.get(address, headers={"Accept": "text/html,*/*;q=0.8"})
        assert answer.status == 200, answer.text()
        got[answer.headers["content-disposition"].partition("filename=")[2].strip('"')] = answer.body()
    *names, first, last = got
    assert names == ["trace.graphml", "trace.mmd", "trace.jsonld", "trace.json", "trace.ndjson", "bundle.zip"]
    assert all(got[proof].startswith(b"c2sp.org/tlog-proof@v1") for proof in (first, last))
    assert A.encode() in got["trace.json"]
    assert b"flowchart LR" in got["trace.mmd"]
    assert "bundle.json" in ZipFile(BytesIO(got["bundle.zip"])).namelist()
    as_json = page.get_by_role("link", name="as JSON").get_attribute("href")
    told = page.request.get(f"{served.origin}{as_json}", headers={"Accept": "text/html,*/*;q=0.8"})
    assert told.json()["history_count"] == page.locator(".history > ol > li").count()


def test_who_signed_in_verifies_what_nobody_else_sees(visit: Visit, chromium: Browser, served: Served) -> None:
    page = visit.page
    served.sign_in(page, PATH)
    press(page.get_by_role("link", name="Verify this", exact=True))
    verdict(page, HOLDS)
    expect(page.locator("main")).to_contain_text(MAKER)
    visit.traffic.assert_origin_only(served.origin)
    with chromium.new_context() as stranger:
        unknown = stranger.new_page()
        open_at(unknown, page.url)
        expect(verdict(unknown, "There is no receipt to check")).to_contain_text("There is no such event")


def test_of_a_thing_with_nothing_of_that_nothing_is_said(page: Page, served: Served) -> None:
    served.sign_in(page, LONE_PATH)
    expect(page.get_by_role("region", name="Take it along")).to_be_visible()
    for name in ("Watched by devices", "What is irregular"):
        expect(page.get_by_role("region", name=name)).to_have_count(0)
    expect(page.locator(".warning")).to_have_count(0)


def test_a_stranger_sees_what_is_opened_to_everybody_and_a_key_is_no_use_elsewhere(page: Page, served: Served) -> None:
    served.engine.organisations.set_grant(Grant(MAKER, PUBLIC, None, frozenset({"what", "how"})))
    open_at(page, f"{served.origin}{PATH}")
    expect(page.get_by_role("heading", name="What happened")).to_be_visible()
    for name in ("Watched by devices", "What is irregular"):
        expect(page.get_by_role("region", name=name)).to_have_count(0)
    expect(page.locator("main")).not_to_contain_text("particles")
    expect(page.get_by_role("link", name="verify this").first).to_be_visible()
    served.engine.organisations.set_grant(Grant(MAKER, PUBLIC, None, frozenset({"what", "how", "more"})))
    open_at(page, f"{served.origin}{PATH}")
    expect(page.locator("main")).to_contain_text("Batch recalled: particles <seen>")
    expect(page.get_by_role("region", name="Watched by devices").get_by_role("listitem")).to_have_count(5)
    served.engine.organisations.end_grant(MAKER, PUBLIC)
    # What programs call looks at no cookie, whoever signed in to the pages.
    served.sign_in(page, PATH)
    for path in (f"/provenance/items{PATH}", f"/provenance/traces{PATH}", PATH):
        answer = page.request.get(f"{served.origin}{path}", headers={"Accept": "application/json"})
        assert answer.status == 404


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_small_phone_and_a_desk_and_needs_no_script(chromium: Browser, served: Served, scheme: str) -> None:
    dark = scheme == "dark"
    with chromium.new_context(
        java_script_enabled=False, viewport=SMALL_PHONE, color_scheme="dark" if dark else "light"
    ) as context:
        page = context.new_page()
        served.sign_in(page, PATH)
        for size in (SMALL_PHONE, DESK):
            page.set_viewport_size(size)
            assert sideways(page) <= 0
            assert page.evaluate(CONTRAST) == []
