"""The pages of a package of a medicine and of an aircraft part in Chromium, without a script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect
from pydantic import SecretStr

from api.app import create_app
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.api.conftest import serving
from tests.api.test_provenance_http import record
from tests.browser.conftest import Visit, open_at, press, sign_in_at
from tests.browser.test_pages import CONTRAST, DESK, SMALL_PHONE, sideways
from tests.conftest import Database
from tests.support.happenings import LOT_NUMBER, MAKER, Decided, Happening, commission, end, lot, pack
from tests.support.parts import AIRCRAFT, ENGINE, PUMP, flew, installed, limited, released
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.organisations import Scope
from traceability.supply_chain.drug_package.events import (
    BatchRecalled,
    Inactive,
    PackDeactivated,
    PackReactivated,
)

GOOD, OFF, RECALLED = pack("GOOD"), pack("OFF"), pack("RECALLED")
EXPIRY = "urn:epcglobal:cbv:mda:itemExpirationDate"
LOOSE = f"{PUMP.rpartition('/')[0]}/LOOSE"


def drug(thing: str) -> str:
    return f"/drug-packages{thing.removeprefix('https://id.gs1.org')}"


def part(thing: str) -> str:
    return f"/aircraft-parts{thing.removeprefix('https://id.gs1.org')}"


def made(number: str, expiry: str, *things: str) -> Happening:
    return replace(commission(0, *things), how={"ilmd": {LOT_NUMBER: number, EXPIRY: expiry}})


@dataclass(frozen=True)
class Served:
    engine: Engine
    origin: str

    def sign_in(self, page: Page, path: str) -> None:
        _, key = self.engine.organisations.create_key(MAKER, [Scope.QUERY])
        sign_in_at(page, f"{self.origin}{path}", key)


@pytest.fixture(scope="module")
def served(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = Settings(database_url=SecretStr(shared_database.runtime_url), data=tmp_path_factory.mktemp("data"))
    with open_engine(settings) as engine:
        for name in ("local", MAKER):
            engine.organisations.add(name, display_name=name.split(".")[0].title())
        record(
            engine,
            made("L1", "2099-04-30", GOOD, OFF),
            made("L2", "2020-04-30", RECALLED),
            Decided(1, PackDeactivated(things=(GOOD,), status=Inactive.FREE_SAMPLE)),
            Decided(2, PackReactivated(things=(GOOD,), status=Inactive.FREE_SAMPLE)),
            Decided(3, PackDeactivated(things=(OFF,), status=Inactive.EXPORTED)),
            end(4, OFF, step="destroying"),
            Decided(5, BatchRecalled(things=(lot("L2"),), reason="particles <seen>")),
            commission(0, PUMP, ENGINE, LOOSE),
            released(1),
            released(1, ENGINE, number="ARC-9", document="b"),
            limited(1, cycles=20, minutes=6_000),
            installed(2, ENGINE, place="left"),
            installed(3, AIRCRAFT, ENGINE),
            flew(9, AIRCRAFT, 3, 8, cycles=6, minutes=545),
            installed(2, ENGINE, LOOSE),
        )
        with serving(create_app(engine)) as client:
            yield Served(engine, str(client.base_url).rstrip("/"))


def test_a_package_says_whether_it_may_be_dispensed_and_how_that_came_about(visit: Visit, served: Served) -> None:
    page = visit.page
    served.sign_in(page, drug(GOOD))
    expect(page.get_by_role("heading", level=1)).to_have_text("Serial GOOD")
    hero = page.locator(".hero")
    expect(hero).to_contain_text("May be dispensed")
    expect(hero).to_contain_text("2099-04-30")
    expect(hero.get_by_role("link", name="L1")).to_have_attribute("href", "/01/09521234000013/10/L1")
    expect(page.locator(".history li h3")).to_have_text(
        ["Made", "Inactive: given away as a free sample", "Active again: no longer given away as a free sample"]
    )
    expect(page.get_by_role("region", name="What verification answers")).to_contain_text("Verified")
    expect(page.get_by_role("heading", name="Alerts")).to_have_count(0)

    open_at(page, f"{served.origin}{drug(OFF)}")
    expect(hero).to_contain_text("It is inactive, exported.")
    alerts = page.get_by_role("region", name="Alerts").get_by_role("listitem")
    expect(alerts).to_have_count(1)
    expect(alerts).to_contain_text("A pack is deactivated once")
    expect(alerts).to_contain_text("It goes against: Inactive: exported, by Maker.")

    open_at(page, f"{served.origin}{drug(RECALLED)}")
    expect(hero).to_contain_text("Must not be dispensed")
    expect(hero).to_contain_text("Its batch is recalled; it has expired.")
    expect(page.locator(".history li h3")).to_have_text(["Made", "Batch recalled: particles <seen>"])
    visit.traffic.assert_origin_only(served.origin)


def test_a_part_says_whether_it_is_serviceable_and_what_life_is_left(visit: Visit, served: Served) -> None:
    page = visit.page
    served.sign_in(page, part(PUMP))
    hero = page.locator(".hero")
    expect(hero.locator(".state strong")).to_have_text("Serviceable")
    expect(hero).to_contain_text("6 cycles, 9:05 flight hours")
    chain = page.get_by_role("region", name="Installed on").get_by_role("listitem")
    expect(chain).to_have_text(["asset 9521302ENG-61044", "asset 9521302AC-117"])
    limits = page.get_by_role("region", name="Life limits").locator("tbody tr")
    expect(limits).to_have_text(["LLP20 cycles, 100:00 flight hours14 cycles, 90:55 flight hoursCMM 73-11-01"])
    birth = page.get_by_role("region", name="Back to birth")
    expect(birth).to_contain_text("Documented without a gap.")
    expect(birth.locator("tbody tr")).to_have_count(2)
    expect(birth.locator("tbody tr").last).to_contain_text("Installed on asset 9521302ENG-61044, left")
    release = page.get_by_role("region", name="Releases").locator("tbody tr")
    expect(release).to_contain_text("EASA Form 1 ARC-1")
    expect(release).to_contain_text("holds now")
    expect(release).to_contain_text("recorded by who may release the part")

    open_at(page, f"{served.origin}{part(LOOSE)}")
    expect(hero.locator(".state strong")).to_contain_text("Not serviceable")
    expect(hero.locator(".warning")).to_have_text(
        [
            "No release holds: it was not released since it was made, removed or worked on.",
            "Part of its life is not documented.",
        ]
    )
    expect(birth.locator("tr.out")).to_contain_text("gap: installed without a release")
    expect(page.get_by_role("region", name="What is irregular").get_by_role("listitem")).to_have_count(1)
    visit.traffic.assert_origin_only(served.origin)


@pytest.fixture
def public(served: Served) -> Iterator[str]:
    """The address, while everybody may see all that the maker recorded."""
    served.engine.organisations.set_grant(Grant(MAKER, PUBLIC, None, frozenset({"what", "why", "how", "more"})))
    yield served.origin
    served.engine.organisations.end_grant(MAKER, PUBLIC)


@pytest.mark.parametrize(
    ("thing", "link", "title"),
    [
        (OFF, "whether it may be dispensed", "Package: Serial OFF"),
        (PUMP, "life back to birth", "Aircraft part: Serial"),
    ],
)
def test_the_page_of_the_thing_leads_there_and_back(page: Page, public: str, thing: str, link: str, title: str) -> None:
    open_at(page, f"{public}{thing.removeprefix('https://id.gs1.org')}")
    press(page.get_by_role("link", name=link))
    expect(page).to_have_title(re.compile(title))
    press(page.get_by_role("link", name="all that happened to it"))
    expect(page).to_have_url(f"{public}{thing.removeprefix('https://id.gs1.org')}")


@pytest.mark.parametrize(
    ("path", "asked"),
    [(drug(GOOD), "packages of medicines"), (drug(pack("NONE")), "packages of medicines"), (part(PUMP), "aircraft")],
)
def test_a_stranger_is_asked_for_a_key(page: Page, served: Served, path: str, asked: str) -> None:
    open_at(page, f"{served.origin}{path}")
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Sign in to see {asked}")


@pytest.mark.parametrize("path", [drug(OFF), part(PUMP), part(LOOSE)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_they_fit_a_small_phone_and_a_desk_and_need_no_script(
    chromium: Browser, served: Served, path: str, scheme: str
) -> None:
    with chromium.new_context(java_script_enabled=False, viewport=SMALL_PHONE) as context:
        page = context.new_page()
        served.sign_in(page, path)
        expect(page.locator(".hero")).to_be_visible()
    dark = scheme == "dark"
    with chromium.new_context(viewport=SMALL_PHONE, color_scheme="dark" if dark else "light") as context:
        page = context.new_page()
        served.sign_in(page, path)
        for size in (SMALL_PHONE, DESK):
            page.set_viewport_size(size)
            assert sideways(page) <= 0
            assert page.evaluate(CONTRAST) == []
        _print(page)


def _print(page: Page) -> None:
    """On A4 nothing is cut off at the side: a table does not scroll on paper."""
    page.set_viewport_size(ViewportSize(width=794 - 2 * 76, height=1123))  # 210 mm less margins of 20 mm, at 96 dpi
    page.emulate_media(media="print")
    cut = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
    assert page.evaluate(cut) == 0
