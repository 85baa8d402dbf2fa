from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from adapters.postgres.connection import open_pool
from adapters.postgres.ledgers import add_ledger
from adapters.postgres.organisations import PostgresOrganisations, canonical_domain, canonical_gln, party_names
from adapters.system import SystemClock, SystemEntropy
from tests.conftest import CITUS_URL, Database
from traceability.errors import ConflictError, InvalidInputError, NotFoundError
from traceability.gs1.identifiers import parse_identifier, party_tag
from traceability.ledger.access import PUBLIC, SHAREABLE_PARTS, Grant
from traceability.ledger.index import Visibility
from traceability.ledger.organisations import Scope, UnknownKeyError

GLN = "9521234000006"


@pytest.fixture
def pool(database: Database) -> Iterator[ConnectionPool[psycopg.Connection]]:
    with open_pool(database.runtime_url, max_size=4) as pool:
        yield pool


@pytest.fixture
def organisations(pool: ConnectionPool[psycopg.Connection]) -> PostgresOrganisations:
    organisations = PostgresOrganisations(pool, 1, clock=SystemClock(), entropy=SystemEntropy())
    organisations.add("dairy.example", glns=[GLN])
    organisations.add("store.example")
    return organisations


def test_a_key_opens_one_ledger(
    database: Database, pool: ConnectionPool[psycopg.Connection], organisations: PostgresOrganisations
) -> None:
    add_ledger(database.owner_url, "drugs", ())
    drugs = PostgresOrganisations(pool, 2, clock=SystemClock(), entropy=SystemEntropy())
    assert drugs.all() == []
    drugs.add("dairy.example", glns=[GLN])
    key, text = organisations.create_key("dairy.example", [Scope.QUERY])
    assert organisations.key_of(text) == key
    with pytest.raises(UnknownKeyError):
        drugs.key_of(text)
    for wrong in ("", text[:-1], text + "A", text.upper(), text.replace("trace_", ""), "\x00"):
        with pytest.raises(UnknownKeyError):
            organisations.key_of(wrong)


def test_two_changes_of_a_grant_at_once_do_not_both_hold(
    database: Database, organisations: PostgresOrganisations
) -> None:
    refused: list[ConflictError] = []

    def change() -> None:
        try:
            organisations.set_grant(Grant("dairy.example", PUBLIC, None, frozenset({"what"})))
        except ConflictError as error:
            refused.append(error)

    second = threading.Thread(target=change)
    with psycopg.connect(database.owner_url) as first, first.transaction():
        first.execute(
            "INSERT INTO access.disclosure (ledger_id, grantor, grantee, parts, created_at)"
            " VALUES (1, 'dairy.example', 'public', '{item}', 1)"
        )
        second.start()
        with psycopg.connect(database.admin_url, autocommit=True) as watching:
            locks = "citus_locks" if CITUS_URL else "pg_locks"  # which lie on the ledger's node
            while not watching.execute(f"SELECT FROM {locks} WHERE NOT granted").rowcount:
                pass
    second.join()
    assert [error.code for error in refused] == ["access.grant_changed"]
    assert organisations.grants_by("dairy.example") == [Grant("dairy.example", PUBLIC, None, frozenset({"item"}))]


def test_history_is_kept_and_cannot_be_rewritten(database: Database, organisations: PostgresOrganisations) -> None:
    for parts in ({"item"}, {"what"}):
        organisations.set_grant(Grant("dairy.example", "store.example", None, frozenset(parts)))
    assert organisations.end_grant("dairy.example", "store.example")
    with psycopg.connect(database.runtime_url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT parts, ended_at >= created_at FROM access.disclosure ORDER BY parts"
        ).fetchall()
        assert rows == [(["item"], True), (["what"], True)]
        for statement in (
            "DELETE FROM access.disclosure",
            "UPDATE access.disclosure SET parts = '{what}'",
            "UPDATE access.api_key SET scopes = '{admin}'",
            "DELETE FROM access.api_key",
            "UPDATE access.identifier SET organisation = 'store.example'",
            "DELETE FROM access.organisation",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_a_reader_is_named_however_an_event_writes_its_gln(organisations: PostgresOrganisations) -> None:
    reader = organisations.reader("dairy.example")
    for written in (
        "urn:epc:id:pgln:9521234.00000",
        "urn:epc:id:sgln:9521234.00000.0",
        "urn:epc:id:sgln:9521234.00000.DOCK4",
        f"https://id.gs1.org/417/{GLN}",
        f"https://dairy.example/414/{GLN}",
        f"https://id.gs1.org/414/{GLN}/254/DOCK4",
    ):
        visibility = Visibility("carrier.example", (party_tag(parse_identifier(written)),), None)
        assert reader.extent(visibility) == SHAREABLE_PARTS, written
        assert organisations.reader("store.example").extent(visibility) is None


def test_nobody_is_an_organisation_without_being_added(organisations: PostgresOrganisations) -> None:
    for name in ("nobody.example", PUBLIC, "", "\x00", "\ud800"):
        with pytest.raises(NotFoundError):
            organisations.get(name)
    with pytest.raises(NotFoundError):
        organisations.set_grant(Grant("nobody.example", PUBLIC, None, frozenset()))
    with pytest.raises(NotFoundError):
        organisations.create_key("nobody.example", [Scope.QUERY])
    with pytest.raises(InvalidInputError):
        organisations.create_key("dairy.example", [])
    assert organisations.reader(PUBLIC).parties == frozenset()


@pytest.mark.parametrize(
    "text",
    [GLN, f" {GLN} ", "urn:epc:id:pgln:9521234.00000", f"https://id.gs1.org/414/{GLN}", f"https://a.example/417/{GLN}"],
)
def test_spellings_of_a_gln(text: str) -> None:
    assert canonical_gln(text) == GLN
    assert f"https://id.gs1.org/417/{GLN}" in party_names(GLN)


@pytest.mark.parametrize(
    "text", ["", "9521234000007", "952123400000", "٩٥٢١٢٣٤٠٠٠٠٠٦", "https://id.gs1.org/00/095212340000000013", "x"]
)
def test_texts_that_are_no_gln(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        canonical_gln(text)
    assert caught.value.code == "access.gln"


@pytest.mark.parametrize(
    ("text", "domain"),
    [("Dairy.Example", "dairy.example"), ("a.b.c.", "a.b.c"), ("xn--kse-qla.example", "xn--kse-qla.example")],
)
def test_domains(text: str, domain: str) -> None:
    assert canonical_domain(text) == domain


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example",
        "https://dairy.example",
        "dairy.example/x",
        "-a.example",
        "a..b",
        "käse.example",
        "a" * 64 + ".example",
    ],
)
def test_texts_that_are_no_domain(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        canonical_domain(text)
    assert caught.value.code == "access.domain"
