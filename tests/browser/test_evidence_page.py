"""The page behind the code on a certificate of evidence, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pydantic import SecretStr

from api.app import create_app
from api.evidence import describe, register
from api.notary import integrate_all
from api.settings import Settings
from api.wiring import open_engine
from tests.api.conftest import serving
from tests.browser.conftest import Visit, open_at
from tests.browser.test_pages import CONTRAST, SMALL_PHONE, sideways
from tests.conftest import Database
from traceability.ledger.evidence import EvidenceRegistered, read_sha256

HELLO = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"


@pytest.fixture(scope="module")
def address(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(database_url=SecretStr(shared_database.runtime_url), data=tmp_path_factory.mktemp("data"))
    with open_engine(settings) as engine:
        engine.organisations.add("dairy.example", display_name="Alpine Dairy")
        evidence = EvidenceRegistered(sha256=read_sha256(HELLO), size=6, statement="A greeting")
        record, _ = register(engine, "dairy.example", evidence)
        integrate_all(engine)
        with serving(create_app(engine)) as client:
            yield describe(engine, record, str(client.base_url)).page


def test_a_file_is_compared_without_leaving_the_device(address: str, visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    open_at(page, address)
    asked = len(visit.traffic.requests)
    for content, verdict in ((b"hello\n", "is the file that was registered"), (b"hullo\n", "is another file")):
        file = tmp_path / content.decode().strip()
        file.write_bytes(content)
        page.set_input_files("#file", file)
        expect(page.locator("#verdict")).to_contain_text(verdict)
    assert len(visit.traffic.requests) == asked


def test_without_javascript_it_says_what_to_do(address: str, page: Page) -> None:
    page.route("**/*.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.goto(address)
    expect(page.get_by_text("sha256sum FILE")).to_be_visible()
    expect(page.locator("#choose")).to_be_hidden()


def test_it_fits_a_small_phone_and_can_be_read_in_the_dark(address: str, page: Page) -> None:
    page.set_viewport_size(SMALL_PHONE)
    page.emulate_media(color_scheme="dark")
    page.goto(address)
    assert sideways(page) <= 0
    assert page.evaluate(CONTRAST) == []
