"""A file that keeps what earlier checks of a log confirmed: for the next one, and as a memory outside of the database.

Whoever rolls the database back does not roll this file back, so every check asks whether it is still on the history.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from traceability.notary.confirmed import Confirmed, Trusted
from traceability.notary.errors import VerificationError
from traceability.notary.note import VerifierKey


class _Kept(msgspec.Struct):
    note: str
    peaks: list[str]
    erased: list[int]
    checked_at: int
    scopes: list[str] = []


class _File(msgspec.Struct):
    scopes: dict[str, _Kept] = {}
    unfinished: _Kept | None = None


class KeptChecks:
    """What was confirmed of one log, scope by scope; nothing is believed that the log's key did not sign.

    `problem` says why nothing can be kept, None while it can.
    """

    def __init__(self, path: Path, key: VerifierKey) -> None:
        self._path = path
        self._key = key
        self._frozen = False
        self.problem: str | None = None
        try:
            self._file = msgspec.json.decode(path.read_bytes(), type=_File)
        except (OSError, msgspec.DecodeError):
            self._file = _File()

    def confirmed(self, scopes: Iterable[str]) -> Confirmed | None:
        """Return the most that each of these scopes confirmed, None when one of them confirmed nothing."""
        found = [self._open(self._file.scopes.get(scope)) for scope in scopes]
        known = [confirmed for confirmed in found if confirmed is not None]
        return min(known, key=_size) if known and len(known) == len(found) else None

    def unfinished(self, scopes: Iterable[str]) -> Confirmed | None:
        """Return how far a check of everything came that was interrupted and looked at least at these scopes."""
        kept = self._file.unfinished
        return self._open(kept) if kept is not None and set(scopes) <= set(kept.scopes) else None

    def last(self) -> Confirmed | None:
        """Return the largest tree that any check confirmed."""
        found = [self._open(kept) for kept in (*self._file.scopes.values(), self._file.unfinished)]
        return max([confirmed for confirmed in found if confirmed is not None], key=_size, default=None)

    def confirm(self, scope: str, confirmed: Confirmed, now: int) -> None:
        """Keep that a scope was checked to its end at `now` (µs UTC), and was good."""
        self._file.scopes[scope] = _kept(confirmed, now)
        self._save()

    def note_progress(self, scopes: Iterable[str], confirmed: Confirmed, now: int) -> None:
        """Keep how far a check of everything has come at `now` (µs UTC)."""
        self._file.unfinished = _kept(confirmed, now, scopes)
        self._save()

    def finish(self) -> None:
        """Forget the check that was under way: it came to its end."""
        if self._file.unfinished is not None:
            self._file.unfinished = None
            self._save()

    def freeze(self) -> None:
        """Change nothing from now on."""
        self._frozen = True

    def _open(self, kept: _Kept | None) -> Confirmed | None:
        if kept is None:
            return None
        with suppress(VerificationError, ValueError):
            peaks = tuple(bytes.fromhex(peak) for peak in kept.peaks)
            size = int(kept.note.split("\n")[1])
            confirmed = Confirmed(kept.note, Trusted(size, peaks, tuple(kept.erased)))
            confirmed.checkpoint(self._key)
            return confirmed
        return None

    def _save(self) -> None:
        if self._frozen:
            return
        unfinished = self._path.with_name(f"{self._path.name}.unfinished")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(self._file)))
            unfinished.rename(self._path)
        except OSError as error:
            self.problem = f"{self._path} cannot be written: {error.strerror}"


def _kept(confirmed: Confirmed, now: int, scopes: Iterable[str] = ()) -> _Kept:
    trusted = confirmed.trusted
    return _Kept(confirmed.note, [peak.hex() for peak in trusted.peaks], list(trusted.erased), now, sorted(scopes))


def _size(confirmed: Confirmed) -> int:
    return confirmed.trusted.size
