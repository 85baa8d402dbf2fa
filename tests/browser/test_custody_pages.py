"""The page of a thing that somebody has, that is held or under way, and of which a stranger spoke."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from pydantic import SecretStr

from api.app import create_app
from api.settings import Settings
from api.wiring import open_engine
from tests.api.conftest import serving
from tests.api.test_custody_http import A, B, tell
from tests.browser.conftest import Visit, open_at
from tests.browser.test_pages import CONTRAST, sideways
from tests.conftest import Database


@pytest.fixture(scope="module")
def origin(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(database_url=SecretStr(shared_database.runtime_url), data=tmp_path_factory.mktemp("data"))
    with open_engine(settings) as engine:
        tell(engine, "what", "where", "why", "how", "more")
        with serving(create_app(engine)) as client:
            yield str(client.base_url).rstrip("/")


def test_who_has_it_that_it_is_held_and_a_claim_are_told_on_a_phone(visit: Visit, origin: str) -> None:
    page = visit.page
    open_at(page, origin + A.removeprefix("https://id.gs1.org"))
    expect(page.locator(".facts")).to_contain_text("In the hands of")
    expect(page.locator(".warning").first).to_have_text("▲ On hold, quality: a warm lorry (by Shop).")
    claim = page.locator(".history .claim")
    expect(claim).to_have_count(1)
    expect(claim.locator(".word")).to_have_text("claim")
    expect(claim.locator(".why")).to_contain_text("Rival is not known to have made it")
    assert sideways(page) <= 0
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(CONTRAST) == []


def test_what_is_under_way_tells_to_whom(visit: Visit, origin: str) -> None:
    open_at(visit.page, origin + B.removeprefix("https://id.gs1.org"))
    expect(visit.page.locator(".facts")).to_contain_text("Under way to")
    expect(visit.page.locator(".state")).to_contain_text("On its way")
