"""`traceability demo`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Annotated

import typer

from adapters.postgres.connection import database_urls
from adapters.postgres.embedded import in_use, stop
from api.cli.context import EXIT_FALSE, JSON, counted, note, print_json, settings_for
from api.cli.serve import address_of, application, listen, run
from api.codes import read_code
from api.demo.load import load_stories, send_rough_feed
from api.demo.story import Participant, manifest
from api.logging import configure_logging
from api.notary import integrate_all, published_log, receipt
from api.provenance import history_of
from api.settings import Settings
from api.web.history_section import latest
from api.wiring import Engine, database_settings, open_engine
from traceability.errors import ConflictError, InvalidInputError, UnavailableError
from traceability.ledger.access import PUBLIC
from traceability.notary.verify import verify_receipt

_LEDGER = "main"
_OF_ANOTHER_VERSION = ("migrate.checksum", "postgres.major_version")


def demo(
    *,
    port: Annotated[int | None, typer.Option(metavar="PORT", help="0 takes a free one.", show_default="8000")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Remove what an earlier run left, and start over.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Load, publish, verify, say so and end.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the private PostgreSQL running afterwards.")] = False,
    json: JSON = False,
) -> None:
    """Tell three stories: load them, publish their log, verify a receipt and serve the pages on 127.0.0.1.

    A private PostgreSQL in `./.traceability` is started and migrated; a second run keeps what is there.

    For example:

    - `traceability demo`
    - `traceability demo --port 8001 --fresh`
    - `traceability demo --once --json`
    """
    settings = settings_for(ledger=_LEDGER, port=port, host="127.0.0.1")
    if settings.database_url is not None:
        raise InvalidInputError(
            "The demo would put made-up organisations into the database of TRACEABILITY_DATABASE_URL",
            code="demo.real_database",
            hint="Unset TRACEABILITY_DATABASE_URL; the demo brings a database of its own.",
        )
    if settings.log_key is not None:
        # --fresh begins another tree, and one key must never have signed two.
        raise InvalidInputError(
            "The demo would sign made-up events with the key of TRACEABILITY_LOG_KEY",
            code="demo.real_key",
            hint="Unset TRACEABILITY_LOG_KEY; the demo makes a key of its own.",
        )
    configure_logging()
    with ExitStack() as stack:
        # The port first: whoever cannot have it should not wait for the rest.
        listener = None if once else stack.enter_context(closing(listen(settings.host, settings.port)))
        if fresh:
            _clear(settings)
        note(f"Starting a private PostgreSQL in {settings.data} …")
        engine = stack.enter_context(_opened(settings, keep=keep))
        summary = _tell(engine)
        if json:
            print_json(summary)
        if not summary["verified"]:
            raise typer.Exit(EXIT_FALSE)
        if listener is None:
            return
        app = stack.enter_context(application(engine))
        app.state.stories = manifest().stories
        if not json:
            _print_addresses(address_of(listener), *send_rough_feed(engine))
        note("Stop with Ctrl-C; the data stay, and --fresh starts over.")
        run(app, listener)


@contextmanager
def _opened(settings: Settings, *, keep: bool) -> Iterator[Engine]:
    """Start the server and open the engine; what another version left behind is an error that says how to go on."""
    with ExitStack() as stack:
        try:
            stack.enter_context(database_urls(database_settings(settings), keep=keep))
            engine = stack.enter_context(open_engine(settings))
        except UnavailableError as error:
            if error.code not in _OF_ANOTHER_VERSION:
                raise
            raise UnavailableError(
                f"What is in {settings.data} was made by another version of this program. {error.message}",
                code="demo.other_version",
                hint="Start over with: traceability demo --fresh (it removes the events that are there)",
            ) from error
        yield engine


def _tell(engine: Engine) -> dict[str, object]:
    """Load the stories, publish them and verify one receipt as anybody would; return the totals of the ledger."""
    recorded = duplicates = 0
    for loaded in load_stories(engine):
        recorded += loaded.recorded
        duplicates += loaded.duplicates
        name, events = loaded.participant.display_name, counted(loaded.recorded, "event")
        note(f"  {name}: {events} recorded, {loaded.duplicates} known")
    checkpoint = integrate_all(engine)
    note(f"Published a signed checkpoint over {counted(checkpoint.size, 'event')} of {checkpoint.origin}.")
    verified = _verify_one(engine)
    note(f"A receipt was checked with the log's public key alone: {'it holds' if verified else 'IT DOES NOT HOLD'}.")
    return {
        "events": engine.ledger.head(),
        "log_size": checkpoint.size,
        "verified": verified,
        "recorded": recorded,
        "duplicates": duplicates,
        "origin": checkpoint.origin,
        "root": checkpoint.root.hex(),
        "vkey": published_log(engine).database.identity.vkey,
        "pages": [link.path for story in manifest().stories for link in story.links],
    }


def _verify_one(engine: Engine) -> bool:
    """Take the receipt that the public gets for the latest event of the first thing shown, and verify its bytes."""
    thing = read_code(manifest().stories[0].links[0].path)
    reader = engine.organisations.reader(PUBLIC)
    entry = latest(history_of(engine, reader, thing, as_of=None, known_at=None).entries)
    assert entry is not None, "the thing is shown because something happened to it"
    proof = receipt(engine, entry.event.event_id, reader, [thing.uri])
    result = verify_receipt(proof.text().encode(), published_log(engine).key)
    return result.opening.event_id == entry.event.event_id


def _clear(settings: Settings) -> None:
    """Remove database, keys and log together: a log without its database would refuse to start.

    Raises `ConflictError` (`demo.in_use`) when another command works with them, and `UnavailableError` (`demo.data`)
    when they cannot be removed.
    """
    if in_use(settings.data / "postgres"):
        raise ConflictError(
            f"Another command is using {settings.data}",
            code="demo.in_use",
            hint="Stop it first, or start over in another folder.",
        )
    note(f"Removing what is in {settings.data} …")
    stop(settings.data / "postgres")
    for folder in (settings.data / name for name in ("postgres", "logs", "keys", "spool")):
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UnavailableError(
                f"Cannot remove {folder}: {error.strerror or error}",
                code="demo.data",
                hint="Run as the account that made it, or remove it yourself.",
            ) from error


def _print_addresses(url: str, sender: Participant, key: str) -> None:
    typer.echo(f"\nOpen {url}/ or go straight to a thing:\n")
    for story in manifest().stories:
        typer.echo(f"{story.title}: {story.sentence}")
        for link in story.links:
            typer.echo(f"  {url}{link.path}  {link.label}")
        typer.echo()
    typer.echo("A feed with mistakes: what was wrong with each event, and a form to correct and send it again")
    typer.echo(f"  {url}/findings  sign in as {sender.display_name} with the key {key}")
    typer.echo()
