from __future__ import annotations

import dataclasses
from collections.abc import Callable

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from adapters.postgres.connection import unreachable
from api.middleware import CONTENT_SECURITY_POLICY
from api.settings import Settings
from tests.api.conftest import serving
from traceability.ledger.organisations import Scope

Bearer = Callable[..., dict[str, str]]


def test_the_form_of_a_problem(client: httpx.Client) -> None:
    answer = client.get("/no/such/thing")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Nothing matches the given URI",
        "code": "http.not_found",
        "hint": "The operations are listed at /docs.",
    }


def test_a_wrong_method_says_which_are_allowed(client: httpx.Client) -> None:
    answer = client.delete("/healthz")
    assert (answer.status_code, answer.json()["code"]) == (405, "http.method_not_allowed")
    assert answer.headers["Allow"] == "GET"


def test_invalid_requests_name_the_place_and_repeat_no_value(client: httpx.Client, bearer: Bearer) -> None:
    body = {"scopes": ["query", "secret-value"], "a/b~c": "secret-value"}
    answer = client.post("/organisations/dairy.example/keys", json=body, headers=bearer("dairy.example", Scope.ADMIN))
    assert (answer.status_code, answer.json()["code"]) == (422, "http.validation")
    assert [(e["location"], e["pointer"]) for e in answer.json()["errors"]] == [
        ("body", "/scopes/1"),
        ("body", "/a~1b~0c"),
    ]
    assert "secret-value" not in answer.text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "http.json"),
        (b"\xff", 400, "http.bad_request"),
        (b"[" * 65 + b"]" * 65, 400, "http.body_too_deep"),
        (b"[" * 500_000, 400, "http.body_too_deep"),
        (b" " * 1_048_577, 413, "http.body_too_long"),
        (b"", 422, "http.validation"),
    ],
)
def test_bodies_that_are_not_read(client: httpx.Client, bearer: Bearer, body: bytes, status: int, code: str) -> None:
    headers = {**bearer("local", Scope.ADMIN), "Content-Type": "application/json"}
    answer = client.post("/organisations", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_body_without_a_length_is_measured_as_it_comes(client: httpx.Client, settings: Settings) -> None:
    answer = client.post(
        "/organisations", content=(b" " * 65_536 for _ in range(settings.max_body_bytes // 65_536 + 1))
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "http.body_too_long")


def test_what_nobody_expected_tells_nothing(app: FastAPI) -> None:
    @app.get("/broken/{item}")
    def broken(item: str) -> None:
        raise ZeroDivisionError(item)

    # Logs outside: a line is written after its answer was sent, and leaving `serving` waits for it.
    with capture_logs() as lines, serving(app) as client:
        answer = client.get("/broken/secret-serial")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret-serial" not in answer.text
    assert answer.headers["X-Request-Id"] in answer.json()["hint"]
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert [line["route"] for line in lines if line["log_level"] == "error"] == ["/broken/{item}"]


def test_a_lost_database_is_503(app: FastAPI, client: httpx.Client, bearer: Bearer) -> None:
    headers = bearer("local", Scope.ADMIN)
    app.state.engine.pool.close()
    answer = client.get("/organisations", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "postgres.unreachable")
    assert answer.headers["Retry-After"] == "5"


def test_what_the_driver_says_is_not_for_everybody(app: FastAPI) -> None:
    hidden = "host db.internal, user trace_runtime"

    @app.get("/broken")
    def broken() -> None:
        raise unreachable(psycopg.OperationalError(hidden))

    lost = dataclasses.replace(app.state.engine.urls, runtime="postgresql://trace_runtime@127.0.0.1:1/none")
    app.state.engine = dataclasses.replace(app.state.engine, urls=lost)
    with capture_logs() as lines, serving(app) as client:
        assert client.get("/broken").json()["detail"] == "The database does not answer"
        ready = client.get("/readyz")
    assert ready.json()["reasons"][0]["code"] == "ready.database"
    assert "trace_runtime" not in ready.text
    assert "not ready" in [line["event"] for line in lines]


def test_every_answer_keeps_the_page_to_its_origin(client: httpx.Client) -> None:
    for path in ("/healthz", "/docs", "/openapi.json", "/nothing"):
        headers = client.get(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert len(headers["X-Request-Id"]) == 16
    assert client.get("/readyz").headers["Cache-Control"] == "private, no-store"


def test_a_log_line_names_the_route_and_not_the_item(app: FastAPI, bearer: Bearer) -> None:
    with capture_logs() as lines, serving(app) as client:
        client.get("/organisations/secret-name", headers=bearer("local", Scope.ADMIN))
        client.get("/secret-path")
    assert [(line["route"], line["status"]) for line in lines] == [("/organisations/{organisation}", 404), ("-", 404)]
    assert "secret" not in str(lines)


def test_the_reference_lists_every_operation_without_scripts(client: httpx.Client) -> None:
    page = client.get("/docs").text
    assert "<code>public</code>" in page
    assert "`" not in page
    document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert f"{method.upper()} {path}" in page
            assert "422" not in operation["responses"] or "application/problem+json" in str(
                operation["responses"]["422"]
            )
    assert "<script" not in page
    assert "//cdn" not in page
    assert client.get("/docs/style.css").headers["Content-Type"].startswith("text/css")
