"""The pages of the demo's stories in Chromium: on a phone, on a desk, in the dark, without a script, by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, expect
from pydantic import SecretStr

from adapters.barcode import qr
from api.app import create_app
from api.codes import human_readable, link_on, read_code
from api.demo.load import load_stories
from api.demo.story import manifest
from api.settings import Settings
from api.wiring import open_engine
from tests.api.conftest import serving
from tests.browser.conftest import Visit, open_at, press
from tests.browser.traffic import Traffic
from tests.conftest import Database
from tests.support.stories import PACK, REMOVED_PUMP, TROUT

SMALL_PHONE = ViewportSize(width=360, height=740)
DESK = ViewportSize(width=1280, height=900)
ALL_PATHS = [link.path for story in manifest().stories for link in story.links]

CONTRAST = """() => {
  // Composites the backgrounds behind each text and returns those below WCAG AA (4.5, or 3 for large text).
  const channels = (text) => {
    const n = text.match(/[\\d.]+/g).map(Number);
    return n.length === 3 ? [...n, 1] : n;
  };
  const luminance = (c) => {
    const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    let [r, g, b, left] = [0, 0, 0, 1];
    for (let e = element; e && left > 0.01; e = e.parentElement) {
      const [er, eg, eb, ea] = channels(getComputedStyle(e).backgroundColor);
      [r, g, b, left] = [r + er * ea * left, g + eg * ea * left, b + eb * ea * left, left * (1 - ea)];
    }
    return [r, g, b];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const box = element.getBoundingClientRect();
    if (!node.data.trim() || !box.width || !box.height || element.closest('svg') || element.closest('.skip')) continue;
    const style = getComputedStyle(element);
    const [front, back] = [luminance(channels(style.color).slice(0, 3)), luminance(behind(element))];
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) poor.push([node.data.trim().slice(0, 40), Math.round(ratio * 100) / 100]);
  }
  return poor;
}"""


@pytest.fixture(scope="module")
def origin(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that tells the stories."""
    settings = Settings(
        database_url=SecretStr(shared_database.runtime_url),
        database_owner_url=SecretStr(shared_database.owner_url),
        data=tmp_path_factory.mktemp("data"),
    )
    with open_engine(settings) as engine:
        for _ in load_stories(engine):
            pass
        app = create_app(engine)
        app.state.stories = manifest().stories
        with serving(app) as client:
            yield str(client.base_url).rstrip("/")


def sideways(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@pytest.mark.parametrize("size", [SMALL_PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("path", ALL_PATHS)
def test_a_page_fits_its_window_and_asks_nobody_else(visit: Visit, origin: str, path: str, size: ViewportSize) -> None:
    page = visit.page
    page.set_viewport_size(size)
    assert open_at(page, origin + path).status == 200
    expect(page.locator("h1")).to_have_count(1)
    assert sideways(page) <= 0
    visit.traffic.assert_origin_only(origin)


def test_the_front_page_and_the_search_lead_to_an_item(visit: Visit, origin: str) -> None:
    page = visit.page
    page.set_viewport_size(SMALL_PHONE)
    open_at(page, origin)
    assert sideways(page) <= 0
    page.get_by_label("Code").fill("(01)09521103001011(10)OAK-0902(21)0003")
    press(page.get_by_role("button", name="Look up"))
    expect(page).to_have_url(origin + PACK)
    expect(page.get_by_role("heading", level=1)).to_have_text("Smoked trout fillet, 200 g")
    visit.traffic.assert_origin_only(origin)


def test_a_mistyped_code_is_explained_where_it_was_typed(chromium: Browser, origin: str) -> None:
    # Not by `visit`: Chromium logs a 400 as an error on the console.
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(f"{origin}/?code=09521103001012")
        field = page.get_by_label("Code")
        expect(field).to_have_value("09521103001012")
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#code-problem")).to_contain_text("check digit")
        page.goto(f"{origin}/01/09521103001011/21/UNKNOWN")
        expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is known of this")


def test_everything_is_there_without_scripts(chromium: Browser, origin: str) -> None:
    with chromium.new_context(java_script_enabled=False, viewport=SMALL_PHONE) as context:
        page = context.new_page()
        traffic = Traffic.of(page)
        open_at(page, origin + PACK)
        expect(page.get_by_role("heading", name="What happened")).to_be_visible()
        expect(page.locator("svg.chart")).to_be_visible()
        assert page.locator("svg.graph a").count() >= 4
        page.get_by_text("readings as a table").click()
        expect(page.get_by_role("cell", name="9.3")).to_be_visible()
        press(page.locator("svg.graph a", has_text="Rainbow trout"))
        expect(page).to_have_url(origin + TROUT)
        traffic.assert_origin_only(origin)
        traffic.assert_quiet()


def test_the_keyboard_reaches_every_node_of_the_graph_and_shows_where_it_is(visit: Visit, origin: str) -> None:
    page = visit.page
    open_at(page, origin + PACK)
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport(ratio=1)
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    reached: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        focus = page.evaluate(
            """() => {
              const e = document.activeElement, row = e.querySelector('.row'), style = getComputedStyle(e);
              const shown = row ? getComputedStyle(row).stroke !== 'none' : style.outlineStyle !== 'none';
              return [e.getAttribute('href') || e.tagName, shown];
            }"""
        )
        assert focus[1], f"the focus on {focus[0]} cannot be seen"
        reached.append(focus[0])
    nodes = page.locator("svg.graph a").evaluate_all("nodes => nodes.map((node) => node.getAttribute('href'))")
    assert set(nodes) <= set(reached)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_enough_contrast(visit: Visit, origin: str, scheme: str) -> None:
    page = visit.page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    backgrounds = set()
    for path in ("/", PACK, REMOVED_PUMP):
        open_at(page, origin + path)
        assert page.evaluate(CONTRAST) == []
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    (background,) = backgrounds
    brightness = sum(map(int, background.removeprefix("rgb(").removesuffix(")").split(", ")))
    assert (brightness < 3 * 128) == (scheme == "dark")


def test_text_is_large_enough_to_read_and_controls_to_touch(visit: Visit, origin: str) -> None:
    page = visit.page
    page.set_viewport_size(SMALL_PHONE)
    for path in ("/", PACK):
        open_at(page, origin + path)
        assert float(page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)")) >= 16
        heights = page.locator("button, input, summary, .button, .brand, svg.graph a").evaluate_all(
            "all => all.map((e) => Math.round(e.getBoundingClientRect().height))"
        )
        assert heights
        assert min(heights) >= 44


def test_what_the_drawings_show_is_said_too(visit: Visit, origin: str) -> None:
    page = visit.page
    open_at(page, origin + PACK)
    for drawing in ("svg.chart", "svg.graph[role=group]"):
        spoken = page.locator(drawing).aria_snapshot()
        assert "title" not in spoken
        assert len(spoken) > 40
    expect(page.get_by_role("img", name="Temperature over time")).to_have_count(1)
    expect(page.locator("svg.graph a[aria-current=page]")).to_have_count(1)


def test_a_drawn_label_is_scanned_and_leads_to_the_page(visit: Visit, origin: str) -> None:
    thing = read_code(PACK)
    drawn = qr.svg(qr.Label(link_on(thing, origin), human_readable(thing), "Label"))
    page = visit.page
    page.set_viewport_size(ViewportSize(width=700, height=800))
    page.set_content(f"<!doctype html><title>Label</title>{drawn}")
    page.locator("svg").evaluate("e => { e.setAttribute('width', 600); e.removeAttribute('height'); }")
    scanned = zxingcpp.read_barcode(np.array(Image.open(BytesIO(page.locator("svg").screenshot()))))
    assert scanned is not None
    assert scanned.text == origin + PACK
    open_at(page, scanned.text)
    expect(page.get_by_role("heading", level=1)).to_have_text("Smoked trout fillet, 200 g")


def test_a_page_prints_without_its_controls(visit: Visit, origin: str, tmp_path: Path) -> None:
    page = visit.page
    open_at(page, origin + PACK)
    page.emulate_media(media="print")
    expect(page.locator("header.site")).to_be_hidden()
    expect(page.get_by_role("heading", name="What happened")).to_be_visible()
    page.pdf(path=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").stat().st_size > 10_000


def test_hostile_codes_are_shown_as_text(chromium: Browser, origin: str) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        traffic = Traffic.of(page)
        page.goto(str(httpx.URL(origin, params={"code": '"><script>document.title="owned"</script>'})))
        expect(page).to_have_title("Where has this been?")
        expect(page.get_by_label("Code")).to_have_value(re.compile('^">'))
        assert {urlsplit(url).netloc for url in traffic.requests} == {urlsplit(origin).netloc}
