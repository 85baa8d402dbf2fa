"""Pages in the system's Chromium, which can reach nothing but this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Response, ViewportSize, expect, sync_playwright

from tests.api.conftest import serving
from tests.browser.traffic import Traffic
from tests.browser.verifiers import Agree, both, page_only
from tests.support.logs import KEY

FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    # A name that is looked up is a request that leaves, even when nothing answers it.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
]
VKEY = KEY.verifier.text
PHONE = ViewportSize(width=390, height=844)

expect.set_options(timeout=15_000)  # milliseconds that a slow machine may take; a page that is there waits for none


def open_at(page: Page, address: str) -> Response:
    """Open an address and wait until the page is loaded and asks for nothing more."""
    answer = page.goto(address)
    assert answer is not None
    # Not `wait_until="networkidle"`: when a script starts half a second late, that comes before the page is loaded.
    page.wait_for_load_state("networkidle")
    return answer


def press(control: Locator) -> None:
    """Click what opens another page, and wait until that page is loaded.

    `click` alone returns while the old page is still there, which may well hold what a test then looks for. Nor is
    anything of the new page under way any more, which the next one would break off, to the anger of its traffic.
    """
    with control.page.expect_navigation():
        control.click()
    control.page.wait_for_load_state("networkidle")


def sign_in_at(page: Page, address: str, key: str) -> None:
    """Open a page that asks for a key, and give it."""
    open_at(page, address)
    page.get_by_label("API key").fill(key)
    press(page.get_by_role("button", name="Sign in"))


@pytest.fixture(scope="module")  # not session: while it is open, no other test of this thread can run an event loop
def chromium() -> Iterator[Browser]:
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("no Chromium on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=FLAGS,
            chromium_sandbox=os.geteuid() != 0,  # its sandbox refuses root
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def verifying(chromium: Browser) -> Iterator[Page]:
    """The page /verify at rest: after it was opened it asks nobody for anything but its own modules."""
    with serving(page_only()) as client, chromium.new_context() as context:
        page = context.new_page()
        with page.expect_response("**/logs"):  # the last thing that it asks for
            page.goto(f"{client.base_url}/verify")
        traffic = Traffic.of(page)
        yield page
        assert [url for url in traffic.requests if not url.startswith(f"{client.base_url}/static/")] == []
        traffic.assert_quiet()


@pytest.fixture(scope="module")
def agree(verifying: Page) -> Agree:
    """Give a function that asks both verifiers about files."""
    return lambda *files, trusted=VKEY: both(verifying, trusted, files)


@dataclass(frozen=True, slots=True)
class Visit:
    page: Page
    traffic: Traffic


@pytest.fixture
def visit(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A page and its traffic. The test fails when the page asked another machine, logged an error or threw.

    With TRACEABILITY_SCREENSHOTS=folder the page as the test left it is kept there.
    """
    context = chromium.new_context(viewport=PHONE, locale="en-GB", timezone_id="UTC")
    page = context.new_page()
    traffic = Traffic.of(page)
    yield Visit(page, traffic)
    page.wait_for_load_state("networkidle")  # else what is still on its way would be a failed request
    if folder := os.environ.get("TRACEABILITY_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{request.node.name}.png", full_page=True)
    context.close()
    traffic.assert_local()
    traffic.assert_quiet()


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit.page


@pytest.fixture
def traffic(visit: Visit) -> Traffic:
    return visit.traffic
