"""OPTIONS of every path of EPCIS, the versions that are negotiated, and the names of its errors."""

from __future__ import annotations

from collections.abc import Callable

import httpx
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from api.middleware import LONGEST_ADDRESS
from api.settings import Settings
from traceability.ledger.organisations import Scope

# GS1's OpenAPI document of EPCIS 2.0.
PATHS = {
    "/epcis": "GET", "/epcis/capture": "GET, POST", "/epcis/capture/{captureID}": "GET",
    "/epcis/events": "GET, POST", "/epcis/events/{eventID:path}": "GET",
    "/epcis/queries": "GET, POST", "/epcis/queries/{queryName}": "GET, DELETE",
    "/epcis/queries/{queryName}/events": "GET",
    "/epcis/queries/{queryName}/subscriptions": "GET, POST",
    "/epcis/queries/{queryName}/subscriptions/{subscriptionID}": "GET, DELETE",
    "/epcis/nextPageToken/{token}": "DELETE",
    **{
        path: "GET"
        for name in ("eventType", "epc", "bizStep", "bizLocation", "readPoint", "disposition")
        for path in (f"/epcis/{name}s", f"/epcis/{name}s/{{{name}:path}}", f"/epcis/{name}s/{{{name}:path}}/events")
    },
}  # fmt: skip


def test_every_path_of_the_standard_has_its_methods(app: FastAPI) -> None:
    found: dict[str, set[str]] = {}
    for route in iter_route_contexts(app.routes):
        if route.path is not None and route.path.startswith("/epcis"):
            found.setdefault(route.path, set()).update(route.methods or ())
    assert found == {path: {*methods.split(", "), "OPTIONS"} for path, methods in PATHS.items()}


def test_options_tell_what_a_resource_can_do(client: httpx.Client, settings: Settings) -> None:
    for path, methods in PATHS.items():
        answer = client.options(path.replace(":path", "").replace("{", "").replace("}", ""))
        assert (answer.status_code, answer.content) == (204, b"")
        assert set(answer.headers["Allow"].split(", ")) == {*methods.split(", "), "OPTIONS"}
        for name in ("GS1-EPCIS", "GS1-CBV"):
            told = [answer.headers[f"{name}-{one}"] for one in ("Version", "Min", "Max")]
            assert told == ["2.0.0", "1.2.0", "2.0.0"]
        assert answer.headers["GS1-EPC-Format"] == answer.headers["GS1-CBV-XML-Format"] == "No_Preference"
        assert "GS1-Vendor-Version" in answer.headers
        assert ("GS1-Capture-Error-Behaviour" in answer.headers) is (path == "/epcis/capture")
        assert "GS1-Extensions" not in answer.headers
    limits = client.options("/epcis/capture").headers
    assert limits["GS1-EPCIS-Capture-File-Size-Limit"] == str(settings.capture_max_bytes)
    assert limits["GS1-Capture-Error-Behaviour"] == "all"


def test_options_tell_which_prefixes_of_extensions_an_answer_would_have(client: httpx.Client) -> None:
    asked = {"GS1-Extensions": "ex=https://ns.example/, cbv=https://other.example/, no, y=urn:y:"}
    for path in ("/epcis/events", "/epcis/queries/q/subscriptions/1"):
        assert client.options(path, headers=asked).headers["GS1-Extensions"] == "ex=https://ns.example/, y=urn:y:"


WISHES: list[tuple[dict[str, str], int]] = [
    ({"GS1-EPCIS-Version": "2.0"}, 200),
    ({"GS1-EPCIS-Version": "2.0.1"}, 200),
    ({"GS1-EPCIS-Min": "1.2", "GS1-EPCIS-Max": "2.1"}, 200),
    ({"GS1-EPCIS-Max": "2.0", "GS1-CBV-Max": "2"}, 200),
    ({"GS1-EPCIS-Version": "1.2"}, 406),
    ({"GS1-EPCIS-Min": "2.1"}, 406),
    ({"GS1-EPCIS-Max": "1.2"}, 406),
    ({"GS1-CBV-Min": "2.0.1"}, 406),
    ({"GS1-CBV-Version": "1.2"}, 406),
    ({"Accept": "application/pdf"}, 406),
    ({"GS1-EPCIS-Version": "two"}, 400),
    ({"GS1-EPC-Format": "Always"}, 400),
    ({"GS1-Extensions": "ex=https://x.example/, y=urn:y:"}, 200),
]
NAMES = {406: "epcisException:NotAcceptableException", 400: "epcisException:ValidationException"}


def test_what_is_wished_for(client: httpx.Client) -> None:
    wrong = []
    for path in ("/epcis", "/epcis/events", "/epcis/bizSteps"):
        for headers, status in WISHES:
            answer = client.get(path, headers=headers)
            name = NAMES.get(answer.status_code)
            if answer.status_code != status or answer.json()["type"] != (name or answer.json()["type"]):
                wrong.append((path, headers, answer.status_code, answer.text))
    assert wrong == []


def test_a_capture_in_a_version_that_is_not_served(client: httpx.Client, bearer: Callable[..., dict[str, str]]) -> None:
    key = bearer("dairy.example", Scope.CAPTURE)
    answer = client.post("/epcis/capture", content=b"{}", headers={**key, "GS1-EPCIS-Version": "3.0"})
    assert (answer.status_code, answer.json()["type"]) == (406, "epcisException:NotAcceptableException")


def test_errors_have_the_names_of_the_standard(client: httpx.Client, bearer: Callable[..., dict[str, str]]) -> None:
    refused = [
        (client.get("/epcis/events", headers={"Authorization": "Bearer x"}), 401, "SecurityException"),
        (client.get("/epcis/capture"), 403, "SecurityException"),
        (client.get("/epcis/nothing"), 404, "NoSuchResourceException"),
        (client.get("/epcis/bizSteps/shipping"), 404, "NoSuchResourceException"),
        (client.get("/epcis/bizSteps?x=y"), 400, "QueryParameterException"),
        (client.get(f"/epcis/events?EQ_eventID=urn:x:{'y' * LONGEST_ADDRESS}"), 414, "URITooLongException"),
        (client.get("/epcis/bizSteps?perPage=0"), 400, "QueryParameterException"),
        (client.get("/epcis/bizSteps/no such/events"), 400, "QueryParameterException"),
        (client.get("/epcis/capture?perPage=x", headers=bearer("local", Scope.CAPTURE)), 400, "ValidationException"),
    ]
    for answer, status, name in refused:
        assert (answer.status_code, answer.json()["type"]) == (status, f"epcisException:{name}")
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert client.get("/nothing").json()["type"] == "about:blank"
