"""The pages over HTTP: which form is answered, with which headers, and that every receipt on them holds."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.demo.story import manifest
from api.notary import published_log
from api.wiring import Engine
from tests.api.conftest import serving
from tests.conftest import Database
from tests.support.stories import DISPENSED, PACK, published_stories
from traceability.ledger.organisations import Scope
from traceability.notary.note import VerifierKey
from traceability.notary.verify import verify_receipt

ROOT = Path(__file__).parents[2]
PATHS = [link.path for story in manifest().stories for link in story.links]
HTML = {"Accept": "text/html"}
JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def told(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A ledger with the stories and a published log."""
    with published_stories(shared_database, tmp_path_factory.mktemp("data")) as engine:
        yield engine


@pytest.fixture(scope="module")
def vkey(told: Engine) -> VerifierKey:
    return published_log(told).key


@pytest.fixture(scope="module")
def client(told: Engine) -> Iterator[httpx.Client]:
    with serving(create_app(told)) as client:
        yield client


def test_a_browser_gets_a_page_and_a_program_json(client: httpx.Client) -> None:
    page = client.get(PACK, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    document = client.get(PACK, headers=JSON)
    assert document.headers["content-type"] == "application/json"
    assert document.json() == client.get(f"/provenance/items{PACK}").json()
    for answer, other in ((page, "application/json"), (document, "text/html")):
        assert answer.status_code == 200
        assert answer.headers["vary"] == "Accept, Authorization, Cookie"
        assert answer.headers["link"] == f'<{PACK}>; rel="alternate"; type="{other}"'


@pytest.mark.parametrize("path", ["/", PACK])
def test_head_answers_the_headers_alone(client: httpx.Client, path: str) -> None:
    head, get = client.head(path, headers=HTML), client.get(path, headers=HTML)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


def test_what_is_neither_is_not_acceptable(client: httpx.Client) -> None:
    answer = client.get(PACK, headers={"Accept": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (406, "http.not_acceptable")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/01/09521103001012", "gs1.check_digit"),
        ("/01/123", "gs1.length"),
        ("/01/09521103001011/99/x", "gs1.qualifier"),
        ("/00/", "gs1.length"),
        ("/01/09521103001011/21/%00", "gs1.character"),
        ("/01/09521103001011/21/UNKNOWN", "not_found"),
        ("/414/9521107000010", "not_found"),
        ("/nowhere", "http.not_found"),
        ("/21/0003", "http.not_found"),
    ],
)
def test_what_is_not_there_is_said_in_the_form_asked_for(client: httpx.Client, path: str, code: str) -> None:
    problem = client.get(path, headers=JSON)
    assert (problem.status_code, problem.json()["code"]) == (404, code)
    assert problem.headers["content-type"] == "application/problem+json"
    page = client.get(path, headers=HTML)
    assert page.status_code == 404
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert code in page.text
    assert 'name="code"' in page.text


@pytest.mark.parametrize(
    "spelling",
    [
        "/01/09521103001011/21/0003",
        "/01/09521103001011/10/OAK-0902/21/0003",
        "/01/09521103001011/21/%30003",
    ],
)
def test_every_spelling_of_a_thing_is_the_thing(client: httpx.Client, spelling: str) -> None:
    answer = client.get(spelling, headers=HTML)
    assert answer.status_code == 200
    assert "Smoked trout fillet" in answer.text


@pytest.mark.parametrize(
    ("code", "path"),
    [("(01)09521103001011(21)0003", "/01/09521103001011/21/0003"), ("095211030000070017", "/00/095211030000070017")],
)
def test_a_code_leads_to_its_page(client: httpx.Client, code: str, path: str) -> None:
    answer = client.get("/", params={"code": code})
    assert (answer.status_code, answer.headers["location"]) == (303, path)


@pytest.mark.parametrize("code", ["hello", "09521103001012", "urn:uuid:1c0f", "//evil.example", "https://evil.example"])
def test_no_other_code_leads_anywhere(client: httpx.Client, code: str) -> None:
    answer = client.get("/", params={"code": code})
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_files_are_kept_for_good_under_the_address_of_their_content(client: httpx.Client) -> None:
    page = client.get("/", headers=HTML)
    addresses = re.findall(r'href="(/static/[^"]+)"', page.text)
    assert len(addresses) == 2
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        stale = re.sub("/static/[0-9a-f]+/", "/static/000000000000/", address)
        assert client.get(stale).status_code == 404
    assert client.get("/static/000000000000/%2e%2e%2fbase.html").status_code == 404


def test_pages_are_for_one_reader_and_load_nothing_from_elsewhere(client: httpx.Client) -> None:
    answer = client.get(PACK, headers=HTML)
    assert answer.headers["cache-control"] == "private, no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "<script" not in answer.text


@pytest.mark.parametrize("path", PATHS)
def test_every_receipt_on_a_page_holds_and_opens_only_the_thing(
    client: httpx.Client, vkey: VerifierKey, path: str
) -> None:
    page = client.get(path, headers=HTML).text
    receipts = {unescape(href) for href in re.findall(r'href="(/provenance/events/[^"]+)"', page)}
    assert receipts
    for address in receipts:
        answer = client.get(address)
        assert answer.status_code == 200, (address, answer.text)
        opened = verify_receipt(answer.content, vkey).opening.shown()
        assert len(opened.what) <= 2  # the thing, and what it was in


def test_the_page_says_where_the_leaf_is(client: httpx.Client, vkey: VerifierKey) -> None:
    page = client.get(PACK, headers=HTML).text
    told = re.search(r"leaf index (\d+) of a log of size (\d+)", page)
    button = re.search(r'class="button second" href="([^"]+)"', page)
    assert told is not None
    assert button is not None
    verified = verify_receipt(client.get(unescape(button[1])).content, vkey)
    assert (verified.index, verified.checkpoint.size) == (int(told[1]), int(told[2]))


def test_the_command_on_the_page_verifies_the_receipt(client: httpx.Client, tmp_path: Path) -> None:
    page = client.get(PACK, headers=HTML).text
    command = re.search(r"<code>traceability log verify (\S+) --key '(\S+)'</code>", page)
    button = re.search(r'class="button second" href="([^"]+)"', page)
    assert command is not None
    assert button is not None
    receipt = client.get(unescape(button[1]))
    assert receipt.headers["content-disposition"] == f'attachment; filename="{command[1]}"'
    (tmp_path / command[1]).write_bytes(receipt.content)
    done = subprocess.run(
        [sys.executable, "-m", "traceability.notary.verify", tmp_path / command[1], "--key", unescape(command[2])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_key_shows_more_than_none(told: Engine, client: httpx.Client) -> None:
    _, key = told.organisations.create_key("cornerstone.example", [Scope.QUERY])
    mine = client.get(DISPENSED, headers={**HTML, "Authorization": f"Bearer {key}"})
    assert "From owner Meridian Medical Supply" in re.sub(r"\s+", " ", mine.text)
    assert "From owner" not in client.get(DISPENSED, headers=HTML).text
