"""The second verifier, of what the answer of a bundle says: written from bundles.md, with nothing of ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any


def spelled(data: bytes) -> Any:  # numbers as they are written
    def number(text: str) -> tuple[str]:
        return (text,)

    return json.loads(data, parse_int=number, parse_float=number) if data else {}


def utc(recorded_at: str) -> str:
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(recorded_at))
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


def epcis(shown: dict[str, Any]) -> dict[str, Any]:  # bundles.md, "Answers that repeat their events"
    head, where, why, how, more = (spelled(shown["parts"].get(part, b"")) for part in (0, 2, 3, 4, 5))
    kind = head["type"].removeprefix("epcis.").removesuffix("_event.v2")
    assert kind in {"object", "aggregation", "transformation", "association", "transaction"}
    assert head["type"] == f"epcis.{kind}_event.v2"
    event = {"type": kind.title() + "Event", "eventTime": head["occurred_at"], "recordTime": utc(shown["recorded_at"])}
    more.pop("recordTime", None)
    declared = [part.pop("errorDeclaration") for part in (head, more) if "errorDeclaration" in part]
    for name in ("type", "occurred_at", "captured_by"):
        head.pop(name, None)
    for members_of in (head, where, why, how, more):
        event.update(members_of)
    if declared:
        event["errorDeclaration"] = {**declared[0], **declared[-1]}
    for item in map(spelled, shown["items"]):
        name, identifier = item.pop("list"), item.pop("id")
        if name in ("parentID", "transformationID"):
            event.setdefault(name, identifier)
        elif name.endswith(("quantityList", "QuantityList")):
            event.setdefault(name, []).append({"epcClass": identifier, **item})
        elif kind == "transaction" or name == "childEPCs" or identifier not in event.get(name, []):
            event.setdefault(name, []).append(identifier)
    return event


def repeats(kind: str, answer: Any, order: list[int], shown: dict[int, dict[str, Any]]) -> bool:
    if kind == "events":
        events = answer["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
        return bool(sorted(order) == list(shown) and events == [epcis(shown[position]) for position in order])
    ((position, what),) = shown.items()
    head, payload = spelled(what["parts"][0]), spelled(what["parts"][5])["payload"]
    said = {name: payload.get(name) for name in ("sha256", "size", "statement")}
    said |= {"registered_by": head["captured_by"], "recorded_at": utc(what["recorded_at"])}
    said |= {"stored": payload.get("stored") is True, "position": (str(position),), "event_id": answer["event_id"]}
    same = all(answer[name] == value for name, value in said.items())
    return same and (head["type"], "known_at" in answer) == ("notary.evidence_registered.v1", False)


def names(answer: Any, known_at: int, ids: dict[int, str], leaf_of: dict[int, int]) -> None:
    waiting: list[Any] = [answer]
    while waiting:
        value = waiting.pop()
        waiting += value if isinstance(value, list) else value.values() if isinstance(value, dict) else []
        if not isinstance(value, dict):
            continue
        named = [value[name] for name in ("position", "opened_by", "closed_by") if value.get(name) is not None]
        for position in named + value.get("positions", []):
            assert (type(position), position in ids, position <= known_at) == (int, True, True)
        if value.get("position") is not None:
            assert value.get("event_id", ids[value["position"]]) == ids[value["position"]]
            place = value.get("leaf_index")
            assert place is None or (type(place), place) == (int, leaf_of[value["position"]])
        assert value.get("retracted_by") in (None, *ids.values())
