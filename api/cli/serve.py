"""`traceability serve`."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from api import collector
from api.capture.runner import capturing
from api.cli.context import JSON, LedgerName, note, print_json, settings_for
from api.evaluator import evaluating
from api.integrator import integrating
from api.logging import configure_logging
from api.partners.runner import reading_partners
from api.readiness import unreadiness
from api.subscriptions.deliverer import delivering
from api.timestamps import timestamping
from api.wiring import Engine, open_engine
from traceability.errors import UnavailableError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.applications import Starlette

# The web framework and its server are imported where they are needed: they take half of the time in which
# `traceability --version` and every other command start.

_GRACE_SECONDS = 10
_BACKLOG = 2048
_LONGEST_MESSAGE = 4096  # of a websocket's client, which has nothing to say


def serve(
    *,
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Listen here.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(metavar="PORT", help="0 takes a free one.", show_default="8000")] = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Answer HTTP requests until Ctrl-C or SIGTERM.

    With `--json` the address is printed as `{"url": …}` once the server listens.

    For example:

    - `traceability serve`
    - `traceability serve --port 8080`
    - `TRACEABILITY_DATABASE_URL=postgresql://traceability@db/traceability traceability serve`
    """
    settings = settings_for(ledger=ledger, host=host, port=port)
    configure_logging()
    with (
        closing(listen(settings.host, settings.port)) as listener,
        open_engine(settings) as engine,
        application(engine) as app,
    ):
        url = address_of(listener)
        if json:
            print_json({"url": url})
        note(f"Serving ledger {settings.ledger} on {url} (stop with Ctrl-C); operations: {url}/docs")
        for code, reason in unreadiness(engine):
            note(f"Not ready: {reason} ({code})")
        run(app, listener)


@contextmanager
def application(engine: Engine) -> Iterator[FastAPI]:
    """Give the application, with all that a server does beside answering under way for as long as the context lasts."""
    from api.app import create_app  # noqa: PLC0415

    engine.secrets.seal_all()
    with (
        integrating(engine) as integrator,
        timestamping(engine, integrator),
        capturing(engine) as runner,
        reading_partners(engine) as reader,
        delivering(engine) as tail,
        evaluating(engine),
    ):
        app = create_app(engine)
        app.state.integrator = integrator
        app.state.capture_runner = runner
        app.state.partner_reader = reader
        app.state.tail = tail
        yield app


def run(app: Starlette, listener: socket.socket) -> None:
    """Answer requests that come to `listener` until the process is told to stop."""
    import uvicorn  # noqa: PLC0415

    collector.settle()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,  # ours names routes, not items
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            ws="websockets-sansio",
            ws_max_size=_LONGEST_MESSAGE,
        )
    )
    # Uvicorn raises the signal again after it has finished its requests; asyncio may have ended by then. Both are the
    # clean end.
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    note("Stopped.")


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises `UnavailableError` (`serve.address`) when it cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        # asyncio does so itself for servers that it binds, and not for a socket that it is given: without it each
        # answer waits 40 ms for the client's delayed acknowledgement. Accepted sockets inherit it.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        # The library adds the address, which is told already, to what the system says.
        reason = (error.strerror or str(error)).partition(" (while ")[0]
        raise UnavailableError(
            f"Cannot listen on {host} port {port}: {reason}",
            code="serve.address",
            hint="Another program may have it: choose another with --port, or --port 0 for a free one.",
        ) from error
    return listener


def address_of(listener: socket.socket) -> str:
    """Return the http address of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
