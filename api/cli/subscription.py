"""`traceability subscription …`: who is told of events, what could not be delivered, and delivering it once more."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from api.cli.context import JSON, As, LedgerName, group, note, print_json, print_table
from api.cli.opening import opened
from api.subscriptions.dead_letters import described_dead, replay
from api.subscriptions.manage import MOST, described
from traceability.errors import TraceabilityError
from traceability.ledger.event import utc_text

app = group("subscription")


@app.command("list")
def list_subscriptions(*, as_: As = None, ledger: LedgerName = None, json: JSON = False) -> None:
    """List an organisation's subscriptions, the oldest first, and what keeps them from being delivered.

    Example: `traceability subscription list --as dairy.example`
    """
    with opened(ledger, as_) as engine:
        found = engine.subscriptions.page(engine.settings.organisation, limit=MOST)
        told = described(engine, found) if json else []
    if json:
        print_json(told)
        return
    rows = (
        (
            str(one.subscription_id),
            one.query_name,
            one.dest,
            one.schedule or "stream",
            "" if one.last_notified_at is None else utc_text(one.last_notified_at),
            "" if one.failing_since is None else f"since {utc_text(one.failing_since)}: {one.last_error}",
        )
        for one in found
    )
    print_table(("subscription", "query", "to", "when", "last delivered", "failing"), rows)


@app.command("dead-letters")
def dead_letters(
    *,
    after: Annotated[UUID | None, typer.Option(metavar="DEAD_LETTER", help="Go on after this one.")] = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """List the deliveries that were given up, the oldest first.

    Example: `traceability subscription dead-letters --json`
    """
    with opened(ledger, as_) as engine:
        found = engine.subscriptions.dead(engine.settings.organisation, after=after, limit=MOST)
    if json:
        print_json([described_dead(one) for one in found])
    else:
        rows = (
            (str(one.delivery_id), str(one.subscription_id), str(one.events), utc_text(one.died_at), one.reason)
            for one in found
        )
        print_table(("dead letter", "subscription", "events", "given up", "why"), rows)
    if len(found) == MOST:
        note(f"There may be more: --after {found[-1].delivery_id}")


@app.command("replay")
def replay_dead_letters(
    dead_letter: Annotated[
        list[UUID], typer.Argument(metavar="DEAD_LETTER…", help="Ids, as `subscription dead-letters` shows them.")
    ],
    *,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Deliver once more, now, what was given up; what is taken is a dead letter no more, and the others go on.

    Example: `traceability subscription replay 019ca877-0c1b-7000-8000-000000000001`
    """
    told: list[dict[str, object]] = []
    failed: list[TraceabilityError] = []
    with opened(ledger, as_) as engine:
        for delivery_id in dead_letter:
            try:
                events = replay(engine, engine.settings.organisation, delivery_id)
            except TraceabilityError as error:  # the others go on
                failed.append(error)
                note(f"Not delivered {delivery_id}: {error.message}")
            else:
                told.append({"id": str(delivery_id), "events": events})
                note(f"Delivered {delivery_id}: {events} events.")
    if json:
        print_json(told)
    if failed:
        raise failed[0]
