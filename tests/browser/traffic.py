"""What a page asked for and complained about, so that a test can say that it asked nobody else and did not complain."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Error, Page, Request

INLINE = {"data", "blob"}  # their bytes come with the page
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(slots=True)
class Traffic:
    """Every request, failed request, console error and uncaught exception of one page, in order."""

    requests: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    console_errors: list[str] = field(default_factory=list)
    exceptions: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, page: Page) -> Traffic:
        traffic = cls()

        def on_request(request: Request) -> None:
            traffic.requests.append(request.url)

        def on_failure(request: Request) -> None:
            traffic.failures.append(f"{request.url}: {request.failure}")

        def on_console(message: ConsoleMessage) -> None:
            # Chromium reports a blocked or missing resource and a violated content security policy here.
            if message.type == "error":
                traffic.console_errors.append(f"{message.text} ({message.location.get('url', '')})")

        def on_exception(error: Error) -> None:
            traffic.exceptions.append(str(error))

        page.on("request", on_request)
        page.on("requestfailed", on_failure)
        page.on("console", on_console)
        page.on("pageerror", on_exception)
        return traffic

    def assert_origin_only(self, origin: str) -> None:
        """`origin` is scheme, host and port, such as `http://127.0.0.1:8000`."""
        assert self.requests, "the page was never opened"
        strangers = [url for url in self.requests if urlsplit(url).scheme not in INLINE and _origin(url) != origin]
        assert not strangers, f"requests that leave {origin}: {strangers}"

    def assert_local(self) -> None:
        strangers = [
            url
            for url in self.requests
            if urlsplit(url).scheme not in INLINE and urlsplit(url).hostname not in LOOPBACK
        ]
        assert not strangers, f"requests that leave the machine: {strangers}"

    def assert_quiet(self) -> None:
        assert not self.exceptions, f"uncaught exceptions: {self.exceptions}"
        assert not self.console_errors, f"errors on the console: {self.console_errors}"
        assert not self.failures, f"failed requests: {self.failures}"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
