from __future__ import annotations

import os

import pytest

from api.settings import PREFIX, read_settings
from traceability.errors import InvalidInputError


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_the_environment_gives_and_an_option_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEABILITY_LEDGER", "drugs")
    monkeypatch.setenv("TRACEABILITY_PORT", "9000")
    assert (read_settings().ledger, read_settings().port) == ("drugs", 9000)
    assert (read_settings(ledger="food", port=None).ledger, read_settings(port=1).port) == ("food", 1)


def test_without_anything_the_server_is_for_this_machine_alone() -> None:
    settings = read_settings()
    assert (settings.host, settings.ledger, settings.organisation) == ("127.0.0.1", "main", "local")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "trace.example"])
def test_keys_do_not_cross_a_network_in_the_clear(host: str) -> None:
    with pytest.raises(InvalidInputError, match="TLS") as caught:
        read_settings(host=host)
    assert caught.value.code == "settings.invalid"
    assert read_settings(host=host, public_url="https://trace.example").host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_this_machine_is_safe(host: str) -> None:
    assert read_settings(host=host).host == host


@pytest.mark.parametrize(
    "url", ["http://trace.example", "https://", "trace.example", "https://u:p@trace.example", "https://a.example/?q"]
)
def test_addresses_that_cannot_be_public(url: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_settings(public_url=url)
    assert caught.value.code == "settings.invalid"


def test_the_longest_document_fits_into_an_empty_spool() -> None:
    assert read_settings(capture_max_bytes=2_048, spool_max_bytes=4_096).spool_max_bytes == 4_096
    with pytest.raises(InvalidInputError, match="TRACEABILITY_SPOOL_MAX_BYTES") as caught:
        read_settings(capture_max_bytes=2_048, spool_max_bytes=4_095)
    assert caught.value.code == "settings.invalid"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "99999"),
        ("PORT", "http"),
        ("POOL_SIZE", "0"),
        ("MAX_BODY_BYTES", "-1"),
        ("LEDGER", "no spaces"),
        ("ORGANISATION", "public"),
        ("ORGANISATION", "Dairy"),
        ("LOG_ORIGIN", "https://dairy.example/log"),
        ("LOG_ORIGIN", "dairy.example/log 1"),
        ("LOG_ORIGIN", "dairy.example/log+1"),
        ("LOG_ORIGIN", "dairy.example/"),
    ],
)
def test_a_bad_value_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(InvalidInputError) as caught:
        read_settings()
    assert caught.value.code == "settings.invalid"
    assert PREFIX + name in caught.value.message


def test_a_password_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEABILITY_DATABASE_URL", "postgresql://trace:pass-word@db/trace")
    monkeypatch.setenv("TRACEABILITY_PORT", "pass-word")
    with pytest.raises(InvalidInputError) as caught:
        read_settings()
    assert "pass-word" not in caught.value.diagnostics()
    monkeypatch.delenv("TRACEABILITY_PORT")
    assert "pass-word" not in repr(read_settings())
