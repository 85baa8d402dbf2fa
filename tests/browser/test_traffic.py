"""The watch on pages sees what it is there to see."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import open_at
from tests.browser.traffic import Traffic

Serve = Callable[[str], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve one page at every path, and return the origin."""
    servers: list[ThreadingHTTPServer] = []

    def start(html: str) -> str:
        class OnePage(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = html.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Keep the test's output to itself."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), OnePage)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def watch(chromium: Browser, address: str) -> Traffic:
    with chromium.new_context() as context:
        page = context.new_page()
        traffic = Traffic.of(page)
        open_at(page, address)
        return traffic


def test_a_page_of_one_origin_passes(serve: Serve, page: Page, traffic: Traffic) -> None:
    pixel = "<img alt='' src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>"
    origin = serve(f"<!doctype html><link rel=icon href='data:,'><title>One</title>{pixel}")
    page.goto(f"{origin}/01/09521234000013")
    expect(page).to_have_title("One")
    traffic.assert_origin_only(origin)
    assert f"{origin}/01/09521234000013" in traffic.requests


@pytest.mark.parametrize(
    "html",
    [
        "<img alt='' src='https://cdn.example/logo.png'>",
        "<script>fetch('https://cdn.example/').catch(() => {})</script>",
        "<style>@import 'https://cdn.example/site.css';</style>",
    ],
)
def test_a_request_that_leaves_is_seen(serve: Serve, chromium: Browser, html: str) -> None:
    origin = serve(f"<!doctype html><link rel=icon href='data:,'>{html}")
    traffic = watch(chromium, origin)
    with pytest.raises(AssertionError, match=r"leave http.*cdn\.example"):
        traffic.assert_origin_only(origin)
    with pytest.raises(AssertionError, match=r"leave the machine.*cdn\.example"):
        traffic.assert_local()


def test_another_port_is_another_origin_on_the_same_machine(serve: Serve, chromium: Browser) -> None:
    other = serve("<!doctype html>")
    origin = serve(f"<!doctype html><link rel=icon href='data:,'><iframe src='{other}/frame'></iframe>")
    traffic = watch(chromium, origin)
    traffic.assert_local()
    with pytest.raises(AssertionError, match="/frame"):
        traffic.assert_origin_only(origin)


@pytest.mark.parametrize(
    ("html", "seen"),
    [
        ("<script>throw new Error('boom')</script>", "uncaught exceptions.*boom"),
        ("<script>console.error('sour')</script>", "console.*sour"),
        (
            "<meta http-equiv=Content-Security-Policy content=\"script-src 'none'\"><script>1</script>",
            "console.*Content Security",
        ),
        ("<script>fetch('http://127.0.0.1:1/').catch(() => {})</script>", "(console|failed).*127.0.0.1:1/"),
    ],
    ids=["exception", "console", "policy", "failed"],
)
def test_a_complaint_is_seen(serve: Serve, chromium: Browser, html: str, seen: str) -> None:
    traffic = watch(chromium, serve(f"<!doctype html><link rel=icon href='data:,'>{html}"))
    with pytest.raises(AssertionError, match=seen):
        traffic.assert_quiet()


def test_a_page_that_was_never_opened_proves_nothing() -> None:
    with pytest.raises(AssertionError, match="never opened"):
        Traffic().assert_origin_only("http://127.0.0.1:8000")
