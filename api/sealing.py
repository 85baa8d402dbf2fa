"""Secrets that others gave us, of partners and of subscriptions: in the database they are encrypted.

The key is in the environment (TRACEABILITY_SECRETS_KEY) or in a file of the data folder that is made at first use. Of
several keys the first encrypts and all decrypt, so a key is changed by putting a new one before it.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

import structlog

from adapters.postgres.sealed import PostgresSealed
from adapters.sealing import SealingKey, make_key_file, parse_keys, read_key_file
from api.settings import Settings
from traceability.errors import UnavailableError
from traceability.ledger.sealed import Sealed
from traceability.ports import Entropy

_log: Final = structlog.stdlib.get_logger("api.sealing")


def key_file(settings: Settings) -> Path:
    """Return where the key lies when the environment has none: beside those of the logs, under a name that none has."""
    return settings.data / "keys" / "secrets_key"


class Secrets:
    """Seals and opens the secrets of one ledger; safe to share between threads."""

    def __init__(self, settings: Settings, entropy: Entropy, stored: PostgresSealed) -> None:
        self._settings = settings
        self._entropy = entropy
        self._stored = stored
        self._lock = threading.Lock()
        self._keys: list[SealingKey] = []

    def seal(self, secret: str, place: str) -> Sealed:
        """Encrypt a secret for its place, the row that it is to lie in.

        Raises `UnavailableError` (`secrets.key`) when there is no key: none is made where secrets lie already that were
        encrypted with another, because the servers of a ledger share one.
        """
        key = self._first()
        return Sealed(key.seal(secret, self._whole(place), self._entropy), key.key_id)

    def open(self, sealed: Sealed, place: str) -> str:
        """Return the secret of a place; raises `UnavailableError` (`secrets.key`)."""
        if sealed.key_id is None:
            return sealed.text
        key = next((key for key in self._read() if key.key_id == sealed.key_id), None)
        if key is None:
            raise self._missing()
        try:
            return key.open(sealed.text, self._whole(place))
        except ValueError as error:
            raise UnavailableError(f"The secret cannot be read: {error}", code="secrets.key") from error

    def seal_all(self) -> int:
        """Encrypt what lies in the clear, or was encrypted with a key that is not the first; return how many.

        What was encrypted with a key that is not here stays as it is. Raises `InvalidInputError` and
        `UnavailableError` (`secrets.key`) for keys that are none.
        """
        self._read()
        changed = 0
        for place, found in self._stored.all():
            try:
                if found.key_id != self._first().key_id:
                    changed += self._stored.replace(place, found, self.seal(self.open(found, place), place))
            except UnavailableError as error:
                _log.warning("secret not readable", place=place, code=error.code, reason=error.message)
        if changed:
            _log.info("secrets encrypted", count=changed)
        return changed

    def _whole(self, place: str) -> str:
        """Return a place of this ledger as one of the whole database."""
        return f"{self._stored.ledger_id}/{place}"

    def _first(self) -> SealingKey:
        if not self._read():
            if any(one.key_id is not None for _, one in self._stored.all()):
                raise self._missing()
            make_key_file(key_file(self._settings), self._entropy)
        return self._read()[0]

    def _read(self) -> list[SealingKey]:
        """Return the keys that there are; until there is one it is looked again, so that one may be brought back."""
        with self._lock:
            if not self._keys:
                given = self._settings.secrets_key
                self._keys = [] if given is None else parse_keys(given.get_secret_value())
                self._keys = self._keys or read_key_file(key_file(self._settings))
            return self._keys

    def _missing(self) -> UnavailableError:
        return UnavailableError(
            "The key that secrets are encrypted with is not here",
            code="secrets.key",
            hint=f"Bring {key_file(self._settings)} of the server that had it, or set TRACEABILITY_SECRETS_KEY.",
        )
