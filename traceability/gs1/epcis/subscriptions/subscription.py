"""What a subscriber asks for (EPCIS 2.0 §8.2.5, §12.8): a stream or a schedule, since when, and where to.

A webhook says so in JSON, a websocket in the parameters of its address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from traceability.errors import InvalidInputError
from traceability.gs1.epcis.query.event_query import EventQuery
from traceability.gs1.epcis.strict_json import JSON
from traceability.gs1.epcis.subscriptions.schedule import FIELDS, Schedule, ScheduleError, read_schedule
from traceability.gs1.epcis.times import utc
from traceability.ledger.event import microseconds

MAX_TOKEN: Final = 1_024
_WEBHOOK: Final = frozenset({"dest", "signatureToken", "reportIfEmpty", "initialRecordTime", "stream", "schedule"})
_EXAMPLE: Final = 'Such as: {"dest": "https://client.example/events", "signatureToken": "…", "stream": true}'


class SubscriptionError(InvalidInputError):
    """What is asked for is no subscription, which EPCIS 2.0 calls SubscriptionControlsException (HTTP 400)."""

    code = "subscription.controls"


@dataclass(frozen=True, slots=True)
class Controls:
    """When a subscriber is told: at once (`schedule` None), or when its schedule says.

    `fields` are the schedule as it was given. `since` is initialRecordTime, in microseconds UTC; None is from now on.
    """

    schedule: Schedule | None = None
    fields: Mapping[str, str] | None = None
    report_if_empty: bool = False
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """A subscription that posts to `dest`, signed with `token` if there is one."""

    dest: str
    token: str | None
    controls: Controls


def read_webhook(value: JSON, *, now_us: int) -> Webhook:
    """Read the JSON of a subscription; raises `SubscriptionError` and `ScheduleError`. `dest` is not looked at."""
    if not isinstance(value, dict) or not isinstance(value.get("dest"), str):
        raise SubscriptionError("A subscription is a JSON object with a dest", hint=_EXAMPLE)
    if unknown := sorted(set(value) - _WEBHOOK):
        raise SubscriptionError(
            f"A subscription has no {unknown[0][:40]!a}", hint=f"It has {', '.join(sorted(_WEBHOOK))}."
        )
    token = value.get("signatureToken")
    if token is not None and (type(token) is not str or not 0 < len(token) <= MAX_TOKEN or not token.isprintable()):
        raise SubscriptionError(f"A signatureToken is a text of 1 to {MAX_TOKEN} printable characters")
    schedule, stream = value.get("schedule"), value.get("stream")
    if schedule is not None and not isinstance(schedule, dict):
        raise ScheduleError("A schedule is an object", hint='Such as: {"hour": "1", "minute": "5"}')
    if stream is not None and stream is not True:
        raise SubscriptionError("stream is true, or left out")
    empty, since = value.get("reportIfEmpty", False), value.get("initialRecordTime")
    if not isinstance(empty, bool):
        raise SubscriptionError("reportIfEmpty is true or false")
    if since is not None and type(since) is not str:
        raise SubscriptionError("initialRecordTime is a text")
    return Webhook(
        value["dest"], token, _controls(schedule, stream=stream is True, empty=empty, since=since, now_us=now_us)
    )


def read_socket(parameters: Iterable[tuple[str, str]], *, now_us: int) -> Controls:
    """Read the parameters of a websocket's address; raises `SubscriptionError` and `ScheduleError`."""
    given: dict[str, str] = {}
    for name, text in parameters:
        if name in given:
            raise SubscriptionError(f"{name[:40]} is given twice")
        given[name] = text
    schedule = {name: given.pop(name) for name in FIELDS if name in given}
    words = {"true": True, "false": False}
    stream, empty = given.pop("stream", None), given.pop("reportIfEmpty", "false")
    since = given.pop("initialRecordTime", None)
    if given:
        raise SubscriptionError(f"A subscription over a websocket has no {next(iter(given))[:40]!a}")
    if stream not in (None, "true") or empty not in words:
        raise SubscriptionError("stream is true or left out, reportIfEmpty is true or false")
    return _controls(schedule or None, stream=stream == "true", empty=words[empty], since=since, now_us=now_us)


def check_subscribable(query: EventQuery) -> None:
    """Raise `SubscriptionError` (`subscription.query`) for a query whose answer has an end or an order of its own."""
    if query.limit is not None or query.maximum is not None or query.sorted_by is not None:
        raise SubscriptionError(
            "A query with eventCountLimit, maxEventCount or the order of an extension cannot be subscribed to",
            code="subscription.query",
            hint="Events are told of in the order in which they are recorded. Name a query without these.",
        )


def _controls(
    schedule: Mapping[str, JSON] | None, *, stream: bool, empty: bool, since: str | None, now_us: int
) -> Controls:
    if (schedule is not None) == stream:
        raise SubscriptionError("A subscription has either stream true or a schedule", hint=_EXAMPLE)
    time = None if since is None else utc(since)
    if since is not None and time is None:
        raise SubscriptionError(
            "initialRecordTime is a date, a time and an offset from UTC", hint="Such as: 2026-03-01T09:15:00+01:00"
        )
    at = None if time is None else microseconds(time)
    if schedule is None:
        return Controls(report_if_empty=empty, since=at)
    read = read_schedule(schedule, now_us=now_us)
    fields = {name: str(text) for name, text in schedule.items()}  # a number is as good as its digits
    return Controls(read, fields, empty, at)
