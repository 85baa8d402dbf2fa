"""Every route: without a key, with another organisation's key, with too small a scope, and as it should be.

A route that is not in the table fails the test, so that nobody adds one without saying who may call it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts

from api.web.rendering import asset_address
from api.wiring import Engine
from tests.api.conftest import serving
from tests.support.epcis_events import event
from tests.support.monitoring import CALIBRATION, CERTIFICATE, MONITORING_STEPS, OPENING
from tests.support.recalls import RECALL_STEPS
from traceability.ledger.access import Grant
from traceability.ledger.organisations import Scope
from traceability.supply_chain.commands.table import COMMANDS

SCOPES = tuple(Scope)
CODES = (
    {None}
    | {f"access.{name}" for name in ("unknown_key", "scope", "other_organisation", "operator", "other_origin")}
    | {"signature.wrong", "register.not_registrar"}
)


@dataclass(frozen=True)
class Expected:
    """Statuses: of `public`, of a full key of another organisation, of our key without `scope`, of our full key."""

    public: int
    other: int
    small: int
    ours: int
    scope: Scope | None = None
    path: str | None = None
    body: Any = None


OPEN = Expected(200, 200, 200, 200)
FORM = Expected(403, 403, 403, 403)
ADMIN = Scope.ADMIN
DAIRY = "/organisations/dairy.example"
FINDING = "/findings/019ca877-0c1b-7000-8000-000000000001"
DEAD_LETTER = "/dead-letters/019ca877-0c1b-7000-8000-000000000001"
OPTIONS = Expected(204, 204, 204, 204)
SOCKETS = {"/epcis/queries/{queryName}/events"}
"""Addresses of websockets, whose callers are tried in test_subscription_sockets.py."""
BRACES = str.maketrans("", "", "{}")
# A type of event that is none is a parameter that is none.
COLLECTIONS = dict.fromkeys(("epc", "bizStep", "bizLocation", "readPoint", "disposition"), 200) | {"eventType": 400}
QUERY_SUBRESOURCES = ("/events", "/subscriptions", "/subscriptions/{subscriptionID}")
EPCIS_PATHS = [
    "/epcis",
    "/epcis/capture",
    "/epcis/capture/{captureID}",
    "/epcis/events",
    "/epcis/events/{eventID:path}",
    "/epcis/nextPageToken/{token}",
    "/epcis/queries",
    *(f"/epcis/queries/{{queryName}}{sub}" for sub in ("", *QUERY_SUBRESOURCES)),
    *(f"/epcis/{name}s" for name in COLLECTIONS),
    *(f"/epcis/{name}s/{{{name}:path}}" for name in COLLECTIONS),
    *(f"/epcis/{name}s/{{{name}:path}}/events" for name in COLLECTIONS),
]
COMMAND_BODIES: dict[str, tuple[int, dict[str, Any]]] = {name: (422, {}) for name in COMMANDS} | {
    "observe": (409, {"things": ["https://id.gs1.org/00/095212340000000013"]}),
}
ROUTES = {
    "GET /": OPEN,
    "GET /{key:primary_key}/{value:path}": Expected(404, 404, 403, 404, Scope.QUERY, "/01/09521234000013/21/1001"),
    # The page and its saved form are the same for everybody: they know nothing of what they will check.
    "GET /verify": OPEN,
    "GET /verify.html": OPEN,
    "GET /static/{digest}/{name}": replace(OPEN, path=asset_address("style.css")),
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
    # For the operator, which the dairy is not.
    "GET /metrics": Expected(403, 403, 403, 403, Scope.QUERY),
    "GET /docs": OPEN,
    "GET /docs/style.css": OPEN,
    "GET /openapi.json": OPEN,
    "GET /logs": OPEN,
    # The log is for everybody; here nothing of it is published yet.
    **{
        f"{method} /logs/{{name}}/checkpoint": Expected(503, 503, 503, 503, path="/logs/main/checkpoint")
        for method in ("GET", "HEAD")
    },
    "GET /logs/{name}/policy": Expected(404, 404, 404, 404, path="/logs/main/policy"),
    **{
        f"{method} /logs/{{name}}/tile/{{path:path}}": Expected(404, 404, 404, 404, path="/logs/main/tile/0/000")
        for method in ("GET", "HEAD")
    },
    "GET /logs/{name}/cose-key": replace(OPEN, path="/logs/main/cose-key"),
    "GET /provenance/items/{id:path}": Expected(
        404, 404, 403, 404, Scope.QUERY, "/provenance/items/01/09521234000013/21/1001"
    ),
    "GET /aircraft-parts/{id:path}": Expected(
        404, 404, 403, 404, Scope.QUERY, "/aircraft-parts/01/09521234000013/21/1001"
    ),
    "GET /aircraft-parts/{id:path}/certificates/{document}": Expected(
        200, 200, 403, 200, Scope.QUERY, f"/aircraft-parts/01/09521234000013/21/1001/certificates/{64 * 'a'}"
    ),
    "GET /aircraft-parts/{id:path}/components": Expected(
        404, 404, 403, 404, Scope.QUERY, "/aircraft-parts/01/09521234000013/21/1001/components"
    ),
    "GET /aircraft-parts/{id:path}/life": Expected(
        404, 404, 403, 404, Scope.QUERY, "/aircraft-parts/01/09521234000013/21/1001/life"
    ),
    "GET /provenance/traces/{id:path}": Expected(
        404, 404, 403, 404, Scope.QUERY, "/provenance/traces/01/09521234000013/21/1001"
    ),
    "POST /provenance/traces": Expected(
        404, 404, 403, 404, Scope.QUERY, body={"roots": ["https://id.gs1.org/01/09521234000013/21/1001"]}
    ),
    "POST /provenance/evaluations/acknowledgements": Expected(
        403,
        404,
        403,
        404,
        Scope.CAPTURE,
        body={
            "thing": "https://id.gs1.org/01/09521234000013/21/1001",
            "code": "ended",
            "event_id": "019ca877-0c1b-7000-8000-000000000001",
        },
    ),
    "GET /provenance/irregularities": Expected(200, 200, 403, 200, Scope.QUERY),
    "POST /provenance/evaluations": Expected(
        200, 200, 403, 200, Scope.QUERY, body={"things": ["https://id.gs1.org/01/09521234000013/21/1001"]}
    ),
    "GET /provenance/events/{event_id}/receipt": Expected(
        404, 404, 403, 404, Scope.QUERY, "/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt"
    ),
    "POST /provenance/events/{event_id}/erasure-requests": Expected(
        403,
        404,
        403,
        404,
        ADMIN,
        "/provenance/events/019ca877-0c1b-7000-8000-000000000001/erasure-requests",
        {"reason": "request of 1 March", "authority": "officer"},
    ),
    "GET /provenance/erasure-requests": Expected(403, 200, 403, 200, ADMIN),
    # Everybody has findings of their own; these four are nobody's.
    "GET /findings": Expected(200, 200, 403, 200, Scope.QUERY),
    "GET /findings/{finding_id}": Expected(404, 404, 403, 404, Scope.QUERY, FINDING),
    "POST /findings/{finding_id}/replay": Expected(403, 404, 403, 404, Scope.CAPTURE, f"{FINDING}/replay"),
    "POST /findings/{finding_id}/dismiss": Expected(403, 404, 403, 404, Scope.CAPTURE, f"{FINDING}/dismiss"),
    # Forms of pages are taken from pages only, whoever sends them.
    "POST /findings/{finding_id}": replace(FORM, path=FINDING),
    "GET /irregularities": Expected(200, 200, 403, 200, Scope.QUERY),
    "POST /irregularities": FORM,
    "POST /dead-letters/{dead_letter_id}": replace(FORM, path=DEAD_LETTER),
    "POST /partners/{name}": replace(FORM, path="/partners/d"),
    "POST /session": FORM,
    "POST /session/end": FORM,
    # Nothing is recorded here: an empty answer for everybody who may ask.
    "GET /epcis/events": Expected(200, 200, 403, 200, Scope.QUERY),
    "GET /epcis/events/{eventID:path}": Expected(404, 404, 403, 404, Scope.QUERY, "/epcis/events/urn:uuid:0"),
    "GET /epcis": Expected(200, 200, 403, 200, Scope.QUERY),
    **{f"GET /epcis/{name}s": Expected(200, 200, 403, 200, Scope.QUERY) for name in COLLECTIONS},
    **{
        f"GET /epcis/{name}s/{{{name}:path}}": Expected(404, 404, 403, 404, Scope.QUERY, f"/epcis/{name}s/urn:x:y")
        for name in COLLECTIONS
    },
    **{
        f"GET /epcis/{name}s/{{{name}:path}}/events": Expected(
            status, status, 403, status, Scope.QUERY, f"/epcis/{name}s/urn:x:y/events"
        )
        for name, status in COLLECTIONS.items()
    },
    "POST /epcis/events": Expected(403, 201, 403, 201, Scope.CAPTURE, body=event()),
    "GET /epcis/queries": Expected(200, 200, 403, 200, Scope.QUERY),
    # Only an organisation has queries of its own.
    "POST /epcis/queries": Expected(403, 201, 403, 201, Scope.QUERY, body={"name": "x", "query": {}}),
    "GET /epcis/queries/{queryName}": Expected(404, 404, 403, 404, Scope.QUERY, "/epcis/queries/y"),
    "DELETE /epcis/queries/{queryName}": Expected(404, 404, 403, 404, Scope.QUERY, "/epcis/queries/y"),
    "GET /epcis/queries/{queryName}/events": Expected(404, 404, 403, 404, Scope.QUERY, "/epcis/queries/y/events"),
    "GET /epcis/queries/{queryName}/subscriptions": Expected(
        404, 404, 403, 404, Scope.QUERY, "/epcis/queries/y/subscriptions"
    ),
    "POST /epcis/queries/{queryName}/subscriptions": Expected(
        404,
        404,
        403,
        404,
        Scope.QUERY,
        "/epcis/queries/y/subscriptions",
        {"dest": "https://r.example/", "stream": True},
    ),
    **{
        f"{method} /epcis/queries/{{queryName}}/subscriptions/{{subscriptionID}}": Expected(
            404, 404, 403, 404, Scope.QUERY, "/epcis/queries/y/subscriptions/z"
        )
        for method in ("GET", "DELETE")
    },
    "GET /subscriptions": Expected(200, 200, 403, 200, Scope.QUERY),
    "GET /dead-letters/{dead_letter_id}": Expected(404, 404, 403, 404, Scope.QUERY, DEAD_LETTER),
    "GET /dead-letters": Expected(200, 200, 403, 200, Scope.QUERY),
    "POST /dead-letters/{dead_letter_id}/replay": Expected(404, 404, 403, 404, Scope.QUERY, f"{DEAD_LETTER}/replay"),
    "DELETE /dead-letters/{dead_letter_id}": Expected(404, 404, 403, 404, Scope.QUERY, DEAD_LETTER),
    "DELETE /epcis/nextPageToken/{token}": Expected(404, 404, 403, 404, Scope.QUERY, "/epcis/nextPageToken/x"),
    # What a resource can do is no secret.
    **{f"OPTIONS {path}": replace(OPTIONS, path=path.replace(":path", "").translate(BRACES)) for path in EPCIS_PATHS},
    "POST /epcis/capture": Expected(403, 202, 403, 202, Scope.CAPTURE, body={}),
    "GET /epcis/capture": Expected(403, 200, 403, 200, Scope.CAPTURE),
    "GET /epcis/capture/{captureID}": Expected(
        403, 404, 403, 404, Scope.CAPTURE, "/epcis/capture/019ca877-0c1b-7000-8000-000000000001"
    ),
    # Nothing is known of these things, so that what needs them is refused; malformed bodies are told by their form.
    **{
        f"POST /commands/{name}": Expected(403, status, 403, status, Scope.CAPTURE, body=body)
        for name, (status, body) in COMMAND_BODIES.items()
    },
    "POST /notary/evidence": Expected(403, 201, 403, 201, Scope.CAPTURE, body={"sha256": "ab" * 32}),
    **{
        f"GET {prefix}/evidence/{{event_id}}{rest}": Expected(
            404, 404, 403, 404, Scope.QUERY, f"{prefix}/evidence/019ca877-0c1b-7000-8000-000000000001{rest}"
        )
        for prefix, rest in (
            ("", ""),
            *(("/notary", rest) for rest in ("", "/file", "/receipt", "/bundle", "/certificate")),
        )
    },
    "GET /vocabularies": Expected(200, 200, 403, 200, Scope.QUERY, "/vocabularies"),
    "GET /vocabularies/{vocabulary}": Expected(200, 200, 403, 200, Scope.QUERY, "/vocabularies/ReadPoint"),
    **{
        f"{method} /vocabularies/{{vocabulary}}/{{id:path}}": Expected(
            *statuses, scope, "/vocabularies/ReadPoint/414/9521234000006", {} if method == "PUT" else None
        )
        for method, scope, statuses in (
            ("GET", Scope.QUERY, (404, 404, 403, 404)),
            ("PUT", Scope.CAPTURE, (403, 201, 403, 201)),
            ("DELETE", Scope.CAPTURE, (403, 200, 403, 200)),  # of what was put above
        )
    },
    # An organisation's own; what belongs to others is not there.
    "GET /partners": Expected(403, 200, 403, 200, ADMIN),
    "POST /partners": Expected(
        403, 403, 403, 201, ADMIN, body={"name": "d", "organisation": "dairy.example", "kind": "webhook"}
    ),
    "GET /partners/{name}": Expected(403, 404, 403, 200, ADMIN, "/partners/d"),
    "POST /partners/{name}/pull": Expected(403, 404, 403, 422, ADMIN, "/partners/d/pull"),
    # Whoever signs with the token may deliver, and nobody else, whatever the key.
    "POST /partners/{name}/webhook": replace(FORM, path="/partners/d/webhook"),
    "DELETE /partners/{name}": Expected(403, 404, 403, 204, ADMIN, "/partners/d"),
    # For the operator only: dairy.example is not the operator, so its full key is refused too.
    # The register is for everybody; here it says nothing yet. Of others only a registrar says something.
    "GET /register": Expected(200, 200, 403, 200, Scope.QUERY),
    "GET /register/{organisation}": Expected(404, 404, 403, 404, Scope.QUERY, "/register/none.example"),
    "GET /register/{organisation}/authorised": Expected(
        200, 200, 403, 200, Scope.QUERY, "/register/dairy.example/authorised?action=ship"
    ),
    "POST /register": Expected(
        403,
        403,
        403,
        201,
        Scope.CAPTURE,
        body={"type": "partner_authorised", "said": {"organisation": "dairy.example", "partner": "store.example"}},
    ),
    "GET /recalls/subscriptions": Expected(200, 200, 403, 200, Scope.QUERY),
    "POST /recalls/subscriptions": Expected(403, 400, 403, 400, Scope.QUERY, body={"dest": "http://192.0.2.1/hook"}),
    **{
        f"{method} /recalls/subscriptions/{{subscription_id}}": Expected(
            404, 404, 403, 404, Scope.QUERY, "/recalls/subscriptions/x"
        )
        for method in ("GET", "DELETE")
    },
    "GET /recalls": Expected(200, 200, 403, 200, Scope.QUERY),
    "POST /recalls": Expected(
        403,
        404,
        403,
        404,
        Scope.CAPTURE,
        body={
            "name": "x",
            "reason": "x",
            "classification": "I",
            "roots": ["https://id.gs1.org/01/09521234000013/10/A7"],
        },
    ),
    "GET /recalls/{case}": Expected(404, 404, 403, 404, Scope.QUERY, "/recalls/none"),
    "GET /recalls/{case}/affected": Expected(404, 404, 403, 404, Scope.QUERY, "/recalls/none/affected"),
    **{
        f"POST /recalls/{{case}}/{step}": Expected(403, 404, 403, 404, Scope.CAPTURE, f"/recalls/none/{step}", body)
        for step, body in RECALL_STEPS.items()
    },
    "POST /drug-packages/verify": Expected(
        200, 200, 403, 200, Scope.QUERY, body={"gtin": "09521234000013", "serial": "1001"}
    ),
    "GET /drug-packages/{id:path}": Expected(
        404, 404, 403, 404, Scope.QUERY, "/drug-packages/01/09521234000013/21/UNKNOWN"
    ),
    "GET /lots/{id:path}": Expected(404, 404, 403, 404, Scope.QUERY, "/lots/01/09521234000013/10/UNKNOWN"),
    "GET /cold-chain/profiles": OPEN,
    "POST /cold-chain/evaluations": Expected(
        404,
        404,
        403,
        404,
        Scope.QUERY,
        body={"thing": "https://id.gs1.org/01/09521234000013/21/1001", "profile": "usp.controlled_cold"},
    ),
    "GET /cold-chain/sessions": Expected(200, 200, 403, 200, Scope.QUERY),
    "POST /cold-chain/sessions": Expected(403, 409, 403, 409, Scope.CAPTURE, body=OPENING),
    "GET /cold-chain/sessions/{session}": Expected(404, 404, 403, 404, Scope.QUERY, "/cold-chain/sessions/none"),
    **{
        f"POST /cold-chain/sessions/{{session}}/{step}": Expected(
            403, 404, 403, 404, Scope.CAPTURE, f"/cold-chain/sessions/none/{step}", body
        )
        for step, body in MONITORING_STEPS.items()
    },
    "GET /cold-chain/calibrations": Expected(404, 404, 403, 404, Scope.QUERY, CALIBRATION),
    "POST /cold-chain/calibrations": Expected(403, 201, 403, 201, Scope.CAPTURE, body=CERTIFICATE),
    "GET /clocks": Expected(200, 200, 403, 200, Scope.QUERY),
    "GET /clocks/rules": OPEN,
    "POST /clocks": Expected(403, 201, 403, 201, Scope.CAPTURE, body={"rule": "us.fsma204.records"}),
    "GET /clocks/{clock}": Expected(404, 404, 403, 404, Scope.QUERY, "/clocks/none"),
    "POST /clocks/{clock}/answer": Expected(
        403,
        404,
        403,
        404,
        Scope.CAPTURE,
        "/clocks/none/answer",
        {"event_id": "019ca877-0c1b-7000-8000-000000000001"},
    ),
    "POST /clocks/{clock}/stop": Expected(403, 404, 403, 404, Scope.CAPTURE, "/clocks/none/stop", {"reason": "x"}),
    "GET /shipments": Expected(200, 200, 403, 200, Scope.QUERY),
    "POST /shipments": Expected(
        403,
        201,
        403,
        201,
        Scope.CAPTURE,
        body={"advice": "urn:example:da:1", "consignee": "shop.example", "things": ["urn:example:pallet"]},
    ),
    "GET /shipments/{shipment}": Expected(404, 404, 403, 404, Scope.QUERY, "/shipments/none"),
    "POST /shipments/{shipment}/receipt": Expected(403, 404, 403, 404, Scope.CAPTURE, "/shipments/none/receipt", {}),
    "POST /shipments/{shipment}/exceptions/{case}/answer": Expected(
        403, 404, 403, 404, Scope.CAPTURE, "/shipments/none/exceptions/none/answer", {"accepted": True}
    ),
    "POST /shipments/{shipment}/exceptions/{case}/close": Expected(
        403, 404, 403, 404, Scope.CAPTURE, "/shipments/none/exceptions/none/close", {}
    ),
    "GET /organisations": Expected(403, 403, 403, 403, ADMIN),
    "POST /organisations": Expected(403, 403, 403, 403, ADMIN, body={"name": "new.example"}),
    "GET /organisations/{organisation}": Expected(403, 403, 403, 200, ADMIN, DAIRY),
    "GET /organisations/{organisation}/keys": Expected(403, 403, 403, 200, ADMIN, f"{DAIRY}/keys"),
    "POST /organisations/{organisation}/keys": Expected(
        403, 403, 403, 201, ADMIN, f"{DAIRY}/keys", {"scopes": ["query"]}
    ),
    "DELETE /organisations/{organisation}/keys/{key_id}": Expected(403, 403, 403, 404, ADMIN, f"{DAIRY}/keys/none"),
    "GET /organisations/{organisation}/grants": Expected(403, 403, 403, 200, ADMIN, f"{DAIRY}/grants"),
    "PUT /organisations/{organisation}/grants/{grantee}": Expected(
        403, 403, 403, 200, ADMIN, f"{DAIRY}/grants/public", {"parts": ["item"]}
    ),
    "DELETE /organisations/{organisation}/grants/{grantee}": Expected(
        403, 403, 403, 204, ADMIN, f"{DAIRY}/grants/store.example"
    ),
}


def routes_of(app: FastAPI) -> Iterator[tuple[str, RouteContext]]:
    """Yield `METHOD path` of every route; what has no methods (a mounted application) is a `MOUNT`."""
    for route in iter_route_contexts(app.routes):
        if route.path in SOCKETS and not route.methods:
            continue
        methods = route.methods or {"MOUNT"}
        for method in sorted(methods - ({"HEAD"} if "GET" in methods else set())):
            yield f"{method} {route.path}", route


def test_every_route_is_in_the_table(app: FastAPI) -> None:
    names = [name for name, _ in routes_of(app)]
    assert sorted(names) == sorted(ROUTES)
    assert len(set(names)) == len(names)


@pytest.fixture
def client(app: FastAPI, engine: Engine) -> Iterator[httpx.Client]:
    engine.organisations.set_grant(Grant("dairy.example", "store.example", None, frozenset()))
    with serving(app) as client:
        yield client


def test_every_route_as_every_caller(client: httpx.Client, bearer: Callable[..., dict[str, str]]) -> None:
    unknown = {"Authorization": "Bearer trace_000000000000_unknown"}
    other_scheme = {"Authorization": "Basic dHJhY2U6dHJhY2U="}
    wrong: list[tuple[object, ...]] = []
    for name, expected in ROUTES.items():
        method, _, template = name.partition(" ")
        scopes = [scope for scope in SCOPES if scope is not expected.scope]
        callers = {
            "public": ({}, expected.public),
            "other": (bearer("store.example", *SCOPES), expected.other),
            "small": (bearer("dairy.example", *scopes), expected.small),
            "ours": (bearer("dairy.example", *SCOPES), expected.ours),
            # A key that is none is refused by every route that looks at keys at all, never taken for nobody's.
            "unknown": (unknown, expected.ours if expected.scope is None else 401),
            "other scheme": (other_scheme, expected.ours if expected.scope is None else 401),
        }
        for caller, (headers, status) in callers.items():
            answer = client.request(method, expected.path or template, json=expected.body, headers=headers)
            if answer.status_code != status:
                wrong.append((name, caller, answer.status_code, status, answer.text[:200]))
            code = answer.json()["code"] if answer.status_code in (401, 403) else None
            if code not in CODES:
                wrong.append((name, caller, code))
    assert wrong == []


def test_routes_do_not_block_the_event_loop(app: FastAPI) -> None:
    """Ours talk to the database, so they run in threads; some read a body piece by piece or wait, then do too."""
    names = [name for name, route in routes_of(app) if inspect.iscoroutinefunction(route.endpoint)]
    without_body = [name for name in names if not name.startswith("OPTIONS ")]
    assert without_body == [
        "GET /openapi.json",
        "POST /register",
        "POST /recalls",
        *(f"POST /recalls/{{case}}/{step}" for step in RECALL_STEPS),
        "POST /cold-chain/sessions",
        *(f"POST /cold-chain/sessions/{{session}}/{step}" for step in MONITORING_STEPS),
        "POST /cold-chain/calibrations",
        "POST /clocks",
        *(f"POST /clocks/{{clock}}/{step}" for step in ("answer", "stop")),
        "POST /shipments",
        "POST /shipments/{shipment}/receipt",
        *(f"POST /shipments/{{shipment}}/exceptions/{{case}}/{step}" for step in ("answer", "close")),
        "POST /provenance/evaluations/acknowledgements",
        "POST /provenance/events/{event_id}/erasure-requests",
        "POST /epcis/capture",
        *(f"POST /commands/{name}" for name in COMMANDS),
        "POST /notary/evidence",
        "POST /findings/{finding_id}/replay",
        "PUT /vocabularies/{vocabulary}/{id:path}",
        "DELETE /vocabularies/{vocabulary}/{id:path}",
    ]
