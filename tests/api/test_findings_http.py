"""Findings over HTTP: asked for, corrected, replayed, dismissed, each by whoever sent the event and nobody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from api.wiring import Engine
from tests.support.epcis_events import OTHER_PACK, document, event
from tests.support.findings import capture, finding, ids, store
from traceability.ledger.findings import DESTROYED, Finding, Origin
from traceability.ledger.organisations import Scope

Bearer = Callable[..., dict[str, str]]
DAIRY = "dairy.example"
ID = "urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001"
CONTEXT = ["https://ref.gs1.org/standards/epcis/epcis-context.jsonld", {"dairy": "https://dairy.example/ns#"}]
GOOD = event(eventID=ID)
CONTRADICTION = event(eventID=ID, epcList=[OTHER_PACK])
MALFORMED = event(eventTime="yesterday", **{"dairy:vat": "7", "other:name": 1})


@pytest.fixture
def found(engine: Engine) -> dict[str, Finding]:
    """Capture a good event, its repeat, its contradiction and a malformed one; give the findings by their code."""
    data = document(GOOD, GOOD, CONTRADICTION, MALFORMED, context=CONTEXT)
    findings = capture(engine.pool, engine.ledger_of(DAIRY), data, Origin(DAIRY, "shipment.json"))
    return {finding.code: finding for finding in findings}


@pytest.fixture
def key(bearer: Bearer) -> dict[str, str]:
    return bearer(DAIRY, Scope.CAPTURE, Scope.QUERY)


def listed(client: httpx.Client, key: dict[str, str], **asked: Any) -> list[str]:
    answer = client.get("/findings", params=asked, headers=key)
    assert answer.status_code == 200, answer.text
    return [one["code"] for one in answer.json()]


def address(finding: Finding, verb: str = "") -> str:
    return f"/findings/{finding.finding_id}{verb}"


def test_everything_that_was_wrong_is_a_row(
    client: httpx.Client, key: dict[str, str], found: dict[str, Finding]
) -> None:
    assert sorted(found) == ["capture.conflict", "capture.duplicate", "epcis.time", "epcis.unresolved_name"]
    answer = client.get("/findings", headers=key)
    assert answer.headers["vary"] == "Accept, Authorization, Cookie"
    rows = {row["code"]: row for row in answer.json()}
    assert set(rows) == set(found)
    malformed = rows["epcis.time"]
    assert {name: malformed[name] for name in ("document", "event_index", "path", "severity", "position", "state")} == {
        "document": "shipment.json",
        "event_index": 3,
        "path": "$.epcisBody.eventList[3].eventTime",
        "severity": "error",
        "position": None,
        "state": "open",
    }
    assert "yesterday" in malformed["message"]
    assert [(rows[code]["position"], rows[code]["severity"]) for code in ("capture.duplicate", "capture.conflict")] == [
        (1, "warning"),
        (1, "error"),
    ]


def test_filters_and_pages(client: httpx.Client, key: dict[str, str], found: dict[str, Finding]) -> None:
    assert listed(client, key, code="capture.*", orderDirection="ASC") == ["capture.duplicate", "capture.conflict"]
    assert listed(client, key, severity="error", state="open", code="epcis.*") == ["epcis.time"]
    assert listed(client, key, position="1") == ["capture.conflict", "capture.duplicate"]
    assert len(listed(client, key, since="2026-03-01", until="2026-03-01")) == 4
    assert listed(client, key, since="2026-03-02") == []
    assert listed(client, key, until="2026-03-01T08:15:00Z") == []
    assert listed(client, key, document="other.json") == []
    # What a form sends for fields that were left empty.
    assert len(listed(client, key, state="", severity="", code="", since="", position="")) == 4

    seen: list[str] = []
    following = "/findings?perPage=3&code=*"
    while following:
        answer = client.get(following, headers=key)
        seen += [row["id"] for row in answer.json()]
        following = answer.links["next"]["url"] if "next" in answer.links else ""
    assert seen == sorted((str(one.finding_id) for one in found.values()), reverse=True)


@pytest.mark.parametrize(
    "asked",
    [
        {"state": "lost"},
        {"severity": "fatal"},
        {"position": "-1"},
        {"position": "1" * 30},
        {"job": "x"},
        {"since": "yesterday"},
        {"since": "2026-03-01T08:15:00"},
        {"until": "9999-12-31"},
        {"perPage": 0},
        {"after": "x"},
        {"unknown": "x"},
    ],
)
def test_a_filter_that_means_nothing_is_refused(
    client: httpx.Client, key: dict[str, str], asked: dict[str, Any]
) -> None:
    answer = client.get("/findings", params=asked, headers=key)
    assert (answer.status_code, answer.json()["code"] in ("finding.filter", "http.validation")) == (422, True)


@pytest.mark.parametrize("text", ["\x00", "%", "'; --", "*", "\u202e"])
def test_hostile_texts_find_nothing(
    client: httpx.Client, key: dict[str, str], found: dict[str, Finding], text: str
) -> None:
    assert found
    assert listed(client, key, document=text) == []
    assert listed(client, key, code=f"{text}x") == []


def test_a_finding_has_the_bytes_of_its_event(
    engine: Engine, client: httpx.Client, key: dict[str, str], found: dict[str, Finding]
) -> None:
    shown = client.get(address(found["epcis.time"]), headers=key).json()
    assert json.loads(shown["event"]) == MALFORMED
    assert json.loads(shown["context"]) == CONTEXT
    assert (shown["replayable"], shown["replayed_at"]) == (True, None)

    (record,) = engine.ledger.records([1])
    conflict = client.get(address(found["capture.conflict"]), headers=key).json()
    assert (json.loads(conflict["event"]), json.loads(conflict["recorded"])) == (CONTRADICTION, GOOD)

    warning = finding(next(ids()), position=1, severity="warning", code="epcis.unknown_word")
    lost = finding(next(ids()), event_index=None, code="json.syntax", path="$")
    store(engine.pool, [warning, lost])
    shown = client.get(address(warning), headers=key).json()
    assert (shown["event"], shown["replayable"]) == (record.event.parts.source.decode(), False)
    shown = client.get(address(lost), headers=key).json()
    assert (shown["event"], shown["replayable"]) == (None, False)
    for one in (warning, lost):
        refused = client.post(address(one, "/replay"), headers=key)
        assert (refused.status_code, refused.json()["code"]) == (409, "finding.nothing_to_replay")


def test_others_do_not_know_that_it_exists(client: httpx.Client, bearer: Bearer, found: dict[str, Finding]) -> None:
    one = found["epcis.time"]
    other = bearer("store.example", *Scope)
    assert client.get("/findings", headers=other).json() == []
    assert client.get("/findings").json() == []
    answers = [
        client.get(address(one), headers=other),
        client.get(address(one)),
        client.post(address(one, "/replay"), headers=other),
        client.post(address(one, "/dismiss"), headers=other),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "finding.unknown")}
    reader = bearer(DAIRY, Scope.QUERY)
    refused = client.post(address(one, "/replay"), headers=reader)
    assert (refused.status_code, refused.json()["code"]) == (403, "access.scope")


def test_a_corrected_event_is_recorded_once_and_settles_its_findings(
    engine: Engine, client: httpx.Client, key: dict[str, str], found: dict[str, Finding]
) -> None:
    one = found["epcis.time"]
    still = client.post(address(one, "/replay"), headers=key)
    assert (still.status_code, still.json()["code"]) == (422, "finding.malformed")
    assert [(p["path"], p["code"], p["severity"]) for p in still.json()["problems"]] == [
        ("$.eventTime", "epcis.time", "error"),
        ("$['other:name']", "epcis.unresolved_name", "warning"),
    ]
    worse = client.post(address(one, "/replay"), content=b'{"type": ', headers=key)
    assert [p["code"] for p in worse.json()["problems"]] == ["json.syntax"]
    assert engine.ledger.head() == 1

    corrected = {**MALFORMED, "eventTime": GOOD["eventTime"]}
    done = client.post(address(one, "/replay"), json=corrected, headers=key)
    assert (done.status_code, done.json()["outcome"], done.json()["position"]) == (200, "recorded", 2)
    assert (done.json()["finding"]["state"], done.json()["finding"]["position"]) == ("replayed", 2)
    (record,) = engine.ledger.records([2])
    assert str(record.event.event_id) == done.json()["event_id"]
    assert b"https://dairy.example/ns#vat" in record.event.parts.more
    assert record.event.captured_by == DAIRY
    assert client.get(address(one), headers=key).json()["replayed_at"] == 2
    # All of the letter's findings are settled, and what the new event is worth knowing of is told once.
    assert sorted(listed(client, key, state="open")) == [
        "capture.conflict",
        "capture.duplicate",
        "epcis.unresolved_name",
    ]
    assert listed(client, key, position="2", state="open") == ["epcis.unresolved_name"]
    (warning,) = client.get("/findings", params={"position": "2", "state": "open"}, headers=key).json()
    assert [warning[name] for name in ("document", "event_index", "path", "severity")] == [
        "shipment.json", 3, "$['other:name']", "warning",
    ]  # fmt: skip

    for body in (json.dumps(corrected), None):
        again = client.post(address(one, "/replay"), content=body, headers=key)
        assert (again.status_code, again.json()["outcome"], again.json()["position"]) == (200, "duplicate", 2)
    other = client.post(address(one, "/replay"), json={**corrected, "epcList": [OTHER_PACK]}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "finding.replayed")
    assert engine.ledger.head() == 2
    assert listed(client, key, position="2", state="open") == ["epcis.unresolved_name"]


def test_a_replay_that_ended_half_way_is_finished_by_the_next(
    engine: Engine, client: httpx.Client, key: dict[str, str], found: dict[str, Finding]
) -> None:
    """The event is appended and the process dies before the findings are settled."""
    corrected = {**MALFORMED, "eventTime": GOOD["eventTime"]}
    capture(engine.pool, engine.ledger_of(DAIRY), document(corrected, context=CONTEXT), Origin(DAIRY, "by hand"))
    done = client.post(address(found["epcis.time"], "/replay"), json=corrected, headers=key)
    assert (done.status_code, done.json()["outcome"], done.json()["position"]) == (200, "duplicate", 2)
    assert engine.ledger.head() == 2


def test_a_repeat_is_settled_and_a_contradiction_stays_one(
    engine: Engine, client: httpx.Client, key: dict[str, str], found: dict[str, Finding]
) -> None:
    done = client.post(address(found["capture.duplicate"], "/replay"), headers=key)
    assert (done.json()["outcome"], done.json()["position"]) == ("duplicate", 1)
    conflict = found["capture.conflict"]
    refused = client.post(address(conflict, "/replay"), headers=key)
    assert (refused.status_code, refused.json()["code"]) == (409, "capture.conflict")
    assert "position 1" in refused.json()["detail"]
    assert listed(client, key, code="capture.*", state="open") == ["capture.conflict"]
    other_id = {**CONTRADICTION, "eventID": "urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0002"}
    done = client.post(address(conflict, "/replay"), json=other_id, headers=key)
    assert (done.json()["outcome"], done.json()["position"]) == ("recorded", 2)
    # The finding keeps what it was about; where the event is now stands beside it.
    shown = client.get(address(conflict), headers=key).json()
    assert (shown["state"], shown["position"], shown["replayed_at"]) == ("replayed", 1, 2)
    assert engine.ledger.head() == 2


def test_a_finding_is_dismissed_and_forgotten(
    client: httpx.Client, key: dict[str, str], found: dict[str, Finding]
) -> None:
    one = found["epcis.time"]
    closed = client.post(address(one, "/dismiss"), headers=key)
    assert (closed.status_code, closed.json()["state"]) == (200, "dismissed")
    assert client.post(address(one, "/dismiss"), headers=key).json() == closed.json()
    assert client.get(address(one), headers=key).json()["replayable"] is True
    gone = client.post(address(one, "/dismiss"), json={"forget": True}, headers=key).json()
    assert (gone["state"], gone["message"]) == ("dismissed", DESTROYED)
    assert client.get(address(one), headers=key).json()["event"] is None
    refused = client.post(address(one, "/replay"), json=GOOD, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (409, "finding.nothing_to_replay")


FROM_US = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


def test_a_browser_signs_in_and_sees_pages(
    engine: Engine, client: httpx.Client, found: dict[str, Finding], key: dict[str, str]
) -> None:
    one = found["epcis.time"]
    for path in ("/findings", address(one)):
        asked = client.get(path, headers=FROM_US)
        assert (asked.status_code, 'type="password"' in asked.text) == (200, True)
        assert asked.headers["vary"] == "Accept, Authorization, Cookie"
        assert asked.headers["content-security-policy"].startswith("default-src 'none'")
        assert client.get(path, headers={**FROM_US, **key}).text.count("<h1>") == 1
    assert one.message not in client.get(address(one), headers=FROM_US).text

    text = key["Authorization"].removeprefix("Bearer ")
    begun = client.post(f"/session?to={address(one)}", data={"key": f" {text} "}, headers=FROM_US)
    assert (begun.status_code, begun.headers["location"]) == (303, address(one))
    assert begun.headers["set-cookie"] == f"traceability_key={text}; HttpOnly; Path=/; SameSite=strict"
    assert found["epcis.time"].path in client.get(address(one), headers=FROM_US).text
    problem = client.get("/findings?since=yesterday", headers=FROM_US)
    assert (problem.status_code, "since is a day such as" in problem.text) == (400, True)
    # No link makes a form of ours lead elsewhere.
    astray = client.post("/session?to=https://evil.example/findings", data={"key": text}, headers=FROM_US)
    assert (astray.status_code, astray.headers["location"]) == (303, "/findings")
    # A key that is revoked ends the session at once.
    engine.organisations.revoke_key(DAIRY, text.split("_")[1])
    assert 'type="password"' in client.get("/findings", headers=FROM_US).text
    left = client.post(address(one), data={"do": "dismiss"}, headers=FROM_US)
    assert (left.status_code, left.headers["location"]) == (303, address(one))
    assert client.post("/session/end", headers=FROM_US).headers["set-cookie"].startswith('traceability_key=""')


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, True),
        ({"Origin": "ours"}, True),
        ({}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "ours"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
    ],
)
def test_forms_are_taken_from_our_pages_only(
    client: httpx.Client, key: dict[str, str], found: dict[str, Finding], headers: dict[str, str], *, allowed: bool
) -> None:
    ours = str(client.base_url).rstrip("/")
    sent = {name: ours if value == "ours" else value for name, value in headers.items()}
    answer = client.post(address(found["epcis.time"]), data={"do": "dismiss"}, headers={**key, **sent})
    assert answer.status_code == (303 if allowed else 403)
    if not allowed:
        assert answer.json()["code"] == "access.other_origin"
        assert len(listed(client, key, state="open")) == len(found)


def test_a_key_that_may_not_read_does_not_sign_in(
    client: httpx.Client, bearer: Bearer, found: dict[str, Finding]
) -> None:
    text = bearer(DAIRY, Scope.CAPTURE)["Authorization"].removeprefix("Bearer ")
    refused = client.post("/session", data={"key": text}, headers=FROM_US)
    assert (refused.status_code, "lacks the scope query" in refused.text) == (403, True)
    form = {**FROM_US, "Content-Type": "application/x-www-form-urlencoded"}
    unknown = client.post("/session", content=b"key=%00%ff%ed%a0%bd", headers=form)
    assert (unknown.status_code, unknown.headers["www-authenticate"]) == (401, "Bearer")
    assert not client.cookies
    reader = bearer(DAIRY, Scope.QUERY)
    page = client.get(address(found["epcis.time"]), headers={**FROM_US, **reader})
    assert ("Replay</button>" in page.text, "has the scope <code>capture</code>" in page.text) == (False, True)
    refused = client.post(address(found["epcis.time"]), data={"do": "forget"}, headers={**FROM_US, **reader})
    assert (refused.status_code, "access.scope" in refused.text) == (403, True)
    hostile = {**form, **bearer(DAIRY, *Scope)}
    for content in (b"event=%00%ff%ed%a0%bd", b"event=%7B&do=replay", b"event=" + b"%5B" * 300_000):
        assert client.post(address(found["epcis.time"]), content=content, headers=hostile).status_code == 422


def test_an_event_too_long_for_a_form_is_shown_in_part(
    engine: Engine, client: httpx.Client, key: dict[str, str]
) -> None:
    long = event(eventTime="yesterday", **{"dairy:note": "x" * 1_100_000})
    (one,) = capture(engine.pool, engine.ledger_of(DAIRY), document(long, context=CONTEXT), Origin(DAIRY, "long.json"))
    page = client.get(address(one), headers={**FROM_US, **key})
    assert (page.status_code, "<textarea" in page.text, len(page.text) < 20_000) == (200, False, True)
    assert f"traceability finding replay {one.finding_id} corrected.json" in page.text


def test_the_cookie_of_the_pages_opens_nothing_to_programs(
    engine: Engine, client: httpx.Client, found: dict[str, Finding]
) -> None:
    _, text = engine.organisations.create_key(DAIRY, [Scope.QUERY, Scope.CAPTURE])
    cookie = {"Cookie": f"traceability_key={text}"}
    assert client.get("/findings", headers=cookie).json() == []
    assert client.get(address(found["epcis.time"]), headers=cookie).status_code == 404
    refused = client.post(address(found["epcis.time"], "/dismiss"), headers=cookie)
    assert (refused.status_code, refused.json()["code"]) == (403, "access.scope")
