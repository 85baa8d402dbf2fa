"""Dead letters: what was given up of a subscription, for a person to see, and to send once more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from adapters.outgoing import Allowed, Outgoing
from adapters.postgres.subscriptions import DeadDelivery, Subscription
from api.named_queries import named
from api.recall_webhooks import NO_QUERY, TOLD_IN_RECALLS
from api.subscriptions.batches import MOST_EVENTS, PLAIN, Asked, Batch, document_of, read_batch
from api.subscriptions.delivery import OK, SAYS_NOTHING, asked_for, headers_of
from api.wiring import Engine
from traceability.errors import ConflictError, NotFoundError, TraceabilityError, UnavailableError
from traceability.gs1.epcis.subscriptions.halving import Halving
from traceability.gs1.epcis.xml.names import NotInXmlError
from traceability.ledger.event import utc_text
from traceability.ledger.identifiers import event_id


class NoSuchDeliveryError(NotFoundError):
    """The organisation has no such dead letter."""

    code = "subscription.unknown_dead_letter"


def dead_delivery(engine: Engine, organisation: str, delivery_id: UUID) -> DeadDelivery:
    """Return what one of an organisation's subscriptions gave up; raises `NoSuchDeliveryError`."""
    found = engine.subscriptions.dead(organisation, delivery_id=delivery_id, limit=1)
    if not found:
        raise NoSuchDeliveryError("There is no such dead letter", hint="It may have been replayed.")
    return found[0]


def refused_events(engine: Engine, organisation: str, dead: DeadDelivery) -> list[bytes]:
    """Return the events of a dead letter in JSON, a hundred at most, as its organisation may see them by now."""
    subscription = engine.subscriptions.find(organisation, dead.subscription_id)
    asked = replace(_asked(engine, subscription), wish=PLAIN)
    found: list[bytes] = []
    position = dead.after
    while position < dead.up_to and len(found) < MOST_EVENTS:
        batch = read_batch(engine, asked, position, dead.up_to, most=MOST_EVENTS - len(found))
        found += batch.events
        position = batch.up_to
    return found


def described_dead(dead: DeadDelivery) -> dict[str, Any]:
    """Return a dead letter as JSON tells it."""
    return {
        "id": str(dead.delivery_id),
        "subscription_id": str(dead.subscription_id),
        "events": dead.events,
        "after_position": dead.after,
        "up_to_position": dead.up_to,
        "failing_since": utc_text(dead.failing_since),
        "attempts": dead.attempts,
        "given_up_at": utc_text(dead.died_at),
        "reason": dead.reason,
    }


def replay(engine: Engine, organisation: str, delivery_id: UUID) -> int:
    """Deliver once more what was given up, now; return how many events it was.

    They are what meets the query by now, as the organisation may see it by now. What is taken leaves the dead letter at
    once. Of what is refused each event stays alone, the first under the old id, and the others are delivered.

    Raises `NoSuchDeliveryError`; `UnavailableError` when something stays, `subscription.not_taken` or `outgoing.…`;
    `NotInXmlError` for a single event that cannot be written in the form that is wished for; `ConflictError`
    (`subscription.replayed_meanwhile`).
    """
    dead = dead_delivery(engine, organisation, delivery_id)
    subscription = engine.subscriptions.find(organisation, dead.subscription_id)
    settings = engine.settings
    allowed, seconds = Allowed.parse(settings.outgoing_allow or ""), settings.subscription_timeout_seconds
    with Outgoing(subscription.dest, allowed, seconds=seconds) as outgoing:
        return _Replay(engine, subscription, outgoing, dead).run()


class _Replay:
    """A replay under way: `dead` is what of the letter is not sent yet, or the last of it, which was refused."""

    def __init__(self, engine: Engine, subscription: Subscription, outgoing: Outgoing, dead: DeadDelivery) -> None:
        self._engine = engine
        self._subscription = subscription
        self._asked = _asked(engine, subscription)
        self._outgoing = outgoing
        self._dead = dead
        self._search: Halving | None = None
        self._delivered = 0

    def run(self) -> int:
        refused: list[TraceabilityError] = []
        while self._dead.after < self._dead.up_to:
            most = MOST_EVENTS if self._search is None else self._search.size
            batch = read_batch(self._engine, self._asked, self._dead.after, self._dead.up_to, most=most)
            refusal = self._refusal(batch) if batch.events else None
            if refusal is None:
                self._take(batch)
            elif self._sets_aside(batch):
                refused.append(refusal)
                if not self._go_on_behind(batch, refusal.message):
                    raise self._stays(refused)
            if self._search is not None and self._dead.after >= self._search.end:
                self._search = None
        self._engine.subscriptions.bury(self._dead.delivery_id)
        if refused:
            raise self._stays(refused)
        return self._delivered

    def _refusal(self, batch: Batch) -> TraceabilityError | None:
        """Post a batch and tell why it was refused, None when it was taken."""
        try:
            document = document_of(self._engine, self._asked, batch)
        except NotInXmlError as error:
            return error
        headers = headers_of(self._engine, document, self._subscription)
        answer = self._outgoing.send("POST", headers=headers, content=document.body)
        if answer.status in OK:
            return None
        refusal = _not_taken(f"The subscriber answered {answer.status}")
        if answer.status in SAYS_NOTHING:
            raise refusal
        return refusal

    def _take(self, batch: Batch) -> None:
        many = len(batch.events)
        if self._search is not None:
            self._search.taken(many)
        shorter = replace(self._dead, after=batch.up_to, events=max(0, self._dead.events - many))
        if not self._engine.subscriptions.shorten(self._dead, shorter):
            raise _meanwhile()
        self._dead = shorter
        self._delivered += many

    def _sets_aside(self, batch: Batch) -> bool:
        """Note that a batch was refused, and tell whether it is the event to blame."""
        many = len(batch.events)
        if self._search is None:
            self._search = Halving(batch.up_to, many, began=0)
            return many == 1
        return self._search.refused(many)

    def _go_on_behind(self, batch: Batch, reason: str) -> bool:
        """Keep the letter for a refused event, what is behind it under a new id; False when nothing is."""
        alone = replace(self._dead, up_to=batch.up_to, events=1, attempts=self._dead.attempts + 1, reason=reason)
        rest = None
        if batch.up_to < self._dead.up_to:
            engine = self._engine
            new = event_id(engine.clock.now_us(), engine.entropy.token(10))
            rest = replace(self._dead, delivery_id=new, after=batch.up_to, events=max(0, self._dead.events - 1))
        if not self._engine.subscriptions.shorten(self._dead, alone, rest):
            raise _meanwhile()
        self._dead = alone if rest is None else rest
        return rest is not None

    def _stays(self, refused: list[TraceabilityError]) -> TraceabilityError:
        """Return the reason why something stays: of one kind if all of it has one."""
        if not self._delivered and len(refused) == 1:
            return refused[0]
        return _not_taken(f"{refused[0].message}; {self._delivered} events were delivered, {len(refused)} stay")


def _asked(engine: Engine, subscription: Subscription) -> Asked:
    if subscription.query_name == TOLD_IN_RECALLS:
        return asked_for(subscription, NO_QUERY)
    query = named(engine, subscription.organisation, subscription.query_name)
    return asked_for(subscription, query.definition)


def _not_taken(message: str) -> UnavailableError:
    return UnavailableError(message, code="subscription.not_taken", hint="It stays; try again later.")


def _meanwhile() -> ConflictError:
    return ConflictError(
        "Somebody else replays this dead letter", code="subscription.replayed_meanwhile", hint="See what is left of it."
    )
