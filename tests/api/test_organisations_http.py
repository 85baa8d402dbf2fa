from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from api.wiring import Engine
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.organisations import Scope

Bearer = Callable[..., dict[str, str]]


def test_the_operator_adds_an_organisation_and_its_first_key(client: httpx.Client, bearer: Bearer) -> None:
    admin = bearer("local", Scope.ADMIN)
    body = {"name": "carrier.example", "glns": ["urn:epc:id:pgln:9521234.00001"], "domain": "Carrier.Example."}
    added = client.post("/organisations", json=body, headers=admin)
    assert added.status_code == 201
    shown = client.get("/organisations/carrier.example", headers=admin).json()
    assert added.json() == shown
    assert (shown["display_name"], shown["glns"], shown["domain"]) == (
        "carrier.example",
        ["9521234000013"],
        "carrier.example",
    )
    created = client.post("/organisations/carrier.example/keys", json={"scopes": ["admin", "query"]}, headers=admin)
    assert created.status_code == 201
    own = {"Authorization": f"Bearer {created.json()['key']}"}
    listed = client.get("/organisations/carrier.example/keys", headers=own)
    assert listed.json() == [{k: v for k, v in created.json().items() if k != "key"}]
    assert client.get("/organisations", headers=own).json()["code"] == "access.operator"
    assert {o["name"] for o in client.get("/organisations", headers=admin).json()} == {
        "carrier.example",
        "dairy.example",
        "local",
        "store.example",
    }


def test_what_cannot_be_an_organisation_is_refused(client: httpx.Client, bearer: Bearer) -> None:
    admin = bearer("local", Scope.ADMIN)

    def code(**body: object) -> tuple[int, str]:
        answer = client.post("/organisations", json=body, headers=admin)
        return answer.status_code, answer.json()["code"]

    assert code(name="Dairy") == (422, "access.name")
    assert code(name="public") == (422, "access.name")
    assert code(name="dairy.example") == (409, "access.organisation_exists")
    assert code(name="thief.example", glns=["9521234000006"]) == (409, "access.identifier_taken")
    assert code(name="x.example", glns=["9521234000007"]) == (422, "access.gln")
    assert code(name="x.example", glns=["https://id.gs1.org/01/09521234000013"]) == (422, "access.gln")
    assert code(name="x.example", domain="localhost") == (422, "access.domain")
    assert code(name="x.example", owner="me") == (422, "http.validation")
    assert code() == (422, "http.validation")
    # Nothing half-written stays: the name of a refused organisation is free.
    assert client.post("/organisations", json={"name": "thief.example"}, headers=admin).status_code == 201


def test_a_revoked_key_is_unknown_at_once(client: httpx.Client, bearer: Bearer) -> None:
    admin = bearer("dairy.example", Scope.ADMIN)
    created = client.post("/organisations/dairy.example/keys", json={"scopes": ["admin"]}, headers=admin).json()
    second = {"Authorization": f"Bearer {created['key']}"}
    assert client.get("/organisations/dairy.example", headers=second).status_code == 200
    address = f"/organisations/dairy.example/keys/{created['key_id']}"
    revoked = client.delete(address, headers=admin)
    assert revoked.status_code == 200
    assert client.delete(address, headers=admin).json() == revoked.json()
    refused = client.get("/organisations/dairy.example", headers=second)
    assert (refused.status_code, refused.json()["code"]) == (401, "access.unknown_key")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    missing = client.delete("/organisations/dairy.example/keys/000000000000", headers=admin)
    assert (missing.status_code, missing.json()["code"]) == (404, "access.no_such_key")


def test_the_key_itself_is_nowhere_in_the_database(engine: Engine, client: httpx.Client, bearer: Bearer) -> None:
    admin = bearer("dairy.example", Scope.ADMIN)
    text = client.post("/organisations/dairy.example/keys", json={"scopes": ["query"]}, headers=admin).json()["key"]
    assert len(text.removeprefix("trace_").partition("_")[2]) == 43  # 256 bits in base64url
    with engine.pool.connection() as connection:
        rows = connection.execute("SELECT api_key::text FROM access.api_key").fetchall()
    assert rows
    assert not [row for row in rows if text.rpartition("_")[2] in row[0]]


def test_another_organisations_admin_is_refused_whether_it_exists_or_not(client: httpx.Client, bearer: Bearer) -> None:
    admin = bearer("store.example", Scope.ADMIN)
    answers = [client.get(f"/organisations/{name}", headers=admin) for name in ("dairy.example", "nobody.example")]
    assert {answer.status_code for answer in answers} == {403}
    assert answers[0].json() == answers[1].json()


def test_grants_replace_each_other_and_end(engine: Engine, client: httpx.Client, bearer: Bearer) -> None:
    admin = bearer("dairy.example", Scope.ADMIN)
    address = "/organisations/dairy.example/grants"
    profile = {"parts": ["item"], "steps": None}
    grant = {"parts": ["what", "where"], "steps": ["shipping"]}
    assert client.put(f"{address}/public", json=profile, headers=admin).json() == {**profile, "grantee": "public"}
    assert client.put(f"{address}/store.example", json=profile, headers=admin).status_code == 200
    assert client.put(f"{address}/store.example", json=grant, headers=admin).status_code == 200
    assert client.get(address, headers=admin).json() == [
        {**profile, "grantee": "public"},
        {**grant, "grantee": "store.example"},
    ]
    public = Grant("dairy.example", PUBLIC, None, frozenset({"item"}))
    store = Grant("dairy.example", "store.example", frozenset({"shipping"}), frozenset({"what", "where"}))
    assert engine.organisations.reader("store.example").grants == (public, store)
    assert engine.organisations.reader(PUBLIC).grants == (public,)
    assert client.delete(f"{address}/store.example", headers=admin).status_code == 204
    again = client.delete(f"{address}/store.example", headers=admin)
    assert (again.status_code, again.json()["code"]) == (404, "access.no_such_grant")
    assert engine.organisations.reader("store.example").grants == (public,)


def test_grants_that_mean_nothing_are_refused(client: httpx.Client, bearer: Bearer) -> None:
    admin = bearer("dairy.example", Scope.ADMIN)
    address = "/organisations/dairy.example/grants"
    personal = client.put(f"{address}/public", json={"parts": ["personal"]}, headers=admin)
    assert (personal.status_code, personal.json()["code"]) == (422, "access.parts")
    misspelt = client.put(f"{address}/public", json={"parts": ["item"], "steps": ["shippin"]}, headers=admin)
    assert (misspelt.status_code, misspelt.json()["code"]) == (422, "access.steps")
    nobody = client.put(f"{address}/nobody.example", json={"parts": []}, headers=admin)
    assert (nobody.status_code, nobody.json()["code"]) == (404, "access.unknown_organisation")
    operator = bearer("local", Scope.ADMIN)
    for method in ("PUT", "DELETE"):
        address = "/organisations/public/grants/public"
        public = client.request(method, address, json={"parts": []}, headers=operator)
        assert (public.status_code, public.json()["code"]) == (404, "access.unknown_organisation")


@pytest.mark.parametrize("text", ["\x00", "\ud800", "a\nb", "\u202e", "%", "x" * 300, "'; --"])
def test_hostile_texts_are_answers_not_failures(client: httpx.Client, bearer: Bearer, text: str) -> None:
    admin = bearer("local", Scope.ADMIN)
    in_path = quote(text, safe="", errors="surrogatepass")
    bodies: tuple[dict[str, Any], ...] = (
        {"name": text},
        {"name": "x.example", "display_name": f"x{text}\n"},
        {"name": "x.example", "glns": [text]},
        {"name": "x.example", "domain": text},
    )
    answers = [client.post("/organisations", content=json.dumps(body), headers=admin) for body in bodies]
    answers += [
        *(client.get(f"/organisations/{in_path}{of}", headers=admin) for of in ("", "/keys", "/grants")),
        client.delete(f"/organisations/dairy.example/keys/{in_path}", headers=admin),
        client.delete(f"/organisations/dairy.example/grants/{in_path}", headers=admin),
        client.put(f"/organisations/dairy.example/grants/{in_path}", json={"parts": []}, headers=admin),
        client.put(
            "/organisations/dairy.example/grants/public",
            content=json.dumps({"parts": [], "steps": [f"{text}\n"]}),
            headers=admin,
        ),
        client.get("/healthz", headers={"Authorization": f"Bearer {in_path}"}),
        client.get("/organisations", headers={"Authorization": f"Bearer {in_path}"}),
    ]
    assert [a.request.url for a in answers if a.status_code >= 500] == []
    assert [a.request.url for a in answers if a.is_success] == [answers[-2].request.url]
