"""Webhooks for what an organisation is told in recall cases, kept as subscriptions to a query that nobody can ask."""

from __future__ import annotations

from contextlib import suppress

import orjson

from adapters.postgres.named_queries import NamedQuery, PostgresNamedQueries
from adapters.postgres.subscriptions import Subscription
from api.recall_webhooks import NO_QUERY, TOLD_IN_RECALLS
from api.subscriptions.manage import keep
from api.wiring import Engine
from traceability.errors import ConflictError, ForbiddenError
from traceability.ledger.access import PUBLIC


def follow_recalls(engine: Engine, organisation: str, dest: str, token: str | None = None) -> Subscription:
    """Have what an organisation is told posted to `dest`, signed with `token`.

    Raises `SubscriptionError` (`outgoing.…` for a dest that is not called), `BusyError` (`subscription.too_many`) and
    `ForbiddenError` for `public`.
    """
    if organisation == PUBLIC:
        raise ForbiddenError("A webhook belongs to an organisation, so this needs a key", code="access.scope")
    queries = PostgresNamedQueries(engine.pool, engine.ledger.ledger_id)
    with suppress(ConflictError):  # it is there from the first one
        queries.add(organisation, NamedQuery(TOLD_IN_RECALLS, NO_QUERY), now=engine.clock.now_us())
    asked = {"dest": dest, "stream": True, **({} if token is None else {"signatureToken": token})}
    return keep(engine, organisation, TOLD_IN_RECALLS, orjson.dumps(asked))
