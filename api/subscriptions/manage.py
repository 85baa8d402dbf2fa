"""Subscriptions as their owners meet them: made, listed and ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import orjson

from adapters.outgoing import Allowed
from adapters.outgoing.guard import PORTS, addresses_of, check_url
from adapters.postgres.sealed import subscription_place
from adapters.postgres.subscriptions import NoSuchSubscriptionError, Subscription
from api.epcis_headers import VERSIONS, Wish
from api.named_queries import named
from api.page_tokens import NextPage, next_page, place_of
from api.subscriptions.batches import PLAIN, asked_of
from api.wiring import Engine
from traceability.errors import BusyError, InvalidInputError, UnavailableError
from traceability.gs1.epcis.query.values import QueryParameterError
from traceability.gs1.epcis.strict_json import JsonTextError, read_value
from traceability.gs1.epcis.subscriptions.subscription import SubscriptionError, check_subscribable, read_webhook
from traceability.ledger.event import utc_text
from traceability.ledger.identifiers import event_id

MOST: Final = 1_000
"""Subscriptions of one organisation."""


@dataclass(frozen=True, slots=True)
class Page:
    """Subscriptions, the oldest first, and what asks for more."""

    subscriptions: list[Subscription]
    next: NextPage | None


def subscribe(engine: Engine, organisation: str, query_name: str, body: bytes, wish: Wish = PLAIN) -> Subscription:
    """Keep the subscription that the JSON of `body` asks for; what it is told is in the form of `wish`.

    Raises `NoSuchQueryError`, `SubscriptionError` (`outgoing.…` for a dest that is not called), `ScheduleError` and
    `BusyError` (`subscription.too_many`).
    """
    query = named(engine, organisation, query_name)
    check_subscribable(asked_of(organisation, query_name, query.definition, "", None).query)
    return keep(engine, organisation, query.name, body, wish)


def keep(engine: Engine, organisation: str, query_name: str, body: bytes, wish: Wish = PLAIN) -> Subscription:
    """Keep a subscription to a query that is there; raises as `subscribe` does."""
    try:
        value = read_value(body)
    except JsonTextError as error:
        raise SubscriptionError("The body is not JSON", hint=error.message) from error
    now = engine.clock.now_us()
    webhook = read_webhook(value, now_us=now)
    controls = webhook.controls
    _check_dest(engine, webhook.dest)
    store = engine.subscriptions
    if store.count(organisation) >= MOST:
        raise BusyError(
            f"An organisation has at most {MOST} subscriptions", code="subscription.too_many", hint="End some first."
        )
    subscription_id = event_id(now, engine.entropy.token(10))
    place = subscription_place(subscription_id)
    subscription = Subscription(
        subscription_id,
        organisation,
        query_name,
        webhook.dest,
        None if webhook.token is None else engine.secrets.seal(webhook.token, place),
        None if controls.fields is None else orjson.dumps(controls.fields).decode(),
        controls.report_if_empty,
        controls.since,
        now,
        store.start_of(controls.since),
        due_at=0 if controls.schedule is None else controls.schedule.next_after(now),
        wish=None if wish == PLAIN else msgspec.json.encode(wish).decode(),
    )
    store.add(subscription)
    return subscription


def subscription_of(engine: Engine, organisation: str, query_name: str, subscription_id: str) -> Subscription:
    """Return a subscription of a query; raises `NoSuchQueryError` and `NoSuchSubscriptionError`."""
    query = named(engine, organisation, query_name)
    return engine.subscriptions.get(organisation, query.name, id_of(subscription_id))


def unsubscribe(engine: Engine, organisation: str, query_name: str, subscription_id: str) -> None:
    """End a subscription; raises `NoSuchQueryError` and `NoSuchSubscriptionError`."""
    query = named(engine, organisation, query_name)
    engine.subscriptions.drop(organisation, query.name, id_of(subscription_id))


def listed(engine: Engine, organisation: str, query_name: str, *, size: int, token: str | None) -> Page:
    """Return a page of a query's subscriptions; raises `NoSuchQueryError` and `QueryParameterError`."""
    query = named(engine, organisation, query_name)
    path = f"/epcis/queries/{query.name}/subscriptions"
    after = None if token is None else _uuid(place_of(engine, path, token, str))
    if token is not None and after is None:
        raise QueryParameterError("This nextPageToken is none.", code="query.page_token")
    found = engine.subscriptions.page(organisation, query.name, after=after, limit=size + 1)
    if len(found) <= size:
        return Page(found, None)
    return Page(found[:size], next_page(engine, path, str(found[size - 1].subscription_id)))


def least_record_times(engine: Engine, found: Sequence[Subscription]) -> list[int]:
    """Return of each subscription the least recordTime that an event to come may have, in microseconds UTC.

    It begins as the initialRecordTime, else as the time of the subscription, and goes up with the cursor.
    """
    passed = engine.subscriptions.recorded_at({one.position for one in found})
    return [least_record_time(one.since, passed.get(one.position), one.created_at) for one in found]


def least_record_time(since: int | None, passed: int | None, now: int) -> int:
    """Return the least recordTime behind a cursor that `passed` what was recorded then, None for nothing yet."""
    if passed is None:
        return now if since is None else since
    return passed if since is None else max(since, passed)


def described(engine: Engine, found: Sequence[Subscription]) -> list[dict[str, Any]]:
    """Return subscriptions as JSON tells them, without their secrets."""
    return [_described(*pair) for pair in zip(found, least_record_times(engine, found), strict=True)]


def _described(subscription: Subscription, least_record_time: int) -> dict[str, Any]:
    wish = PLAIN if subscription.wish is None else msgspec.json.decode(subscription.wish, type=Wish)
    told: dict[str, Any] = {
        "subscriptionID": str(subscription.subscription_id),
        "queryName": subscription.query_name,
        "dest": subscription.dest,
        "createdAt": utc_text(subscription.created_at),
        "minRecordTime": utc_text(least_record_time),
        "epcFormat": wish.epc_format.value,
        "reportIfEmpty": subscription.report_if_empty,
    }
    if subscription.schedule is None:
        told["stream"] = True
    else:
        told["schedule"] = orjson.loads(subscription.schedule)
        told["nextReportAt"] = utc_text(subscription.due_at)
    if subscription.wish is not None:
        told["format"] = _described_wish(wish)
    if subscription.since is not None:
        told["initialRecordTime"] = utc_text(subscription.since)
    if subscription.last_notified_at is not None:
        told["lastNotifiedAt"] = utc_text(subscription.last_notified_at)
    if subscription.failing_since is not None:
        told["failing"] = {
            "since": utc_text(subscription.failing_since),
            "attempts": subscription.failures,
            "reason": subscription.last_error,
            "nextAttemptAt": utc_text(subscription.due_at),
        }
    return told


def id_of(text: str) -> UUID:
    """Return the id of a subscription; raises `NoSuchSubscriptionError` for what cannot be one."""
    found = _uuid(text)
    if found is None:
        raise NoSuchSubscriptionError("There is no such subscription", hint="A query's are at …/subscriptions of it.")
    return found


def _check_dest(engine: Engine, dest: str) -> None:
    """Refuse at once what would never be called; that a host has no address now may be otherwise later."""
    try:
        check_url(dest)
        parts = urlsplit(dest)
        port = parts.port or PORTS[parts.scheme]
        addresses_of(parts.scheme, parts.hostname or "", port, Allowed.parse(engine.settings.outgoing_allow or ""))
    except (InvalidInputError, UnavailableError) as error:
        if error.code != "outgoing.unreachable":
            raise SubscriptionError(error.message, code=error.code, hint=error.hint) from error


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _described_wish(wish: Wish) -> dict[str, str]:
    """Return a form as the headers that wished for it."""
    versions = {} if wish.versions is VERSIONS else wish.versions
    told = {"Accept": wish.media_type, "GS1-EPC-Format": wish.epc_format.value, **versions}
    if wish.words is not None:
        told["GS1-CBV-XML-Format"] = wish.words.value
    if wish.extensions is not None:
        told["GS1-Extensions"] = wish.extensions
    return told
