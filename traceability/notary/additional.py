"""The lines of a log's additional keys: each checkpoint that was signed since the log has one must carry it.

The log's own signature says whose checkpoint it is; this one says it in another algorithm. Readers who know the first
alone skip the line, so that nobody but a check would notice one that is missing or forged.
"""

from __future__ import annotations

from collections.abc import Sequence

from traceability.notary.errors import VerificationError
from traceability.notary.note import Signature, VerifierKey, split_note
from traceability.notary.ports import LogIdentity
from traceability.notary.report import Report

CODE = "log.additional_signature"


class AdditionalLines:
    """Checks the lines beside a log's own; the checkpoints come in order of size.

    Which key was the newest when a checkpoint was signed is known from the database alone, whose times somebody may
    have changed: so what one checkpoint carries is due from those that follow, too.
    """

    def __init__(self, identity: LogIdentity) -> None:
        self._keys: list[tuple[int, VerifierKey]] = []
        self._due = -1  # place of the key whose line, or a newer one's, is due
        self._problem: VerificationError | None = None
        try:
            self._keys = [(key.added_at, VerifierKey.parse(key.vkey)) for key in identity.additional_keys]
        except VerificationError as error:
            self._problem = error

    def check(self, note: bytes, signed_at: int, name: str, report: Report) -> None:
        """Note what is wrong with the lines of a note that `name` is, signed at `signed_at` (µs UTC).

        What keeps all lines from being checked, as a key that cannot be read, is noted once.
        """
        if self._problem is not None:
            report.add(self._problem.code, f"additional signatures cannot be checked: {self._problem.message}")
            self._problem = None
        try:
            text, signatures = split_note(note)
            carried = [self._carried(place, text, signatures, name, report) for place in range(len(self._keys))]
        except VerificationError as error:
            self._problem, self._keys = error, []
            self.check(note, signed_at, name, report)
            return
        self._due = max(self._due, sum(added_at <= signed_at for added_at, _ in self._keys) - 1)
        newest = max((place for place, there in enumerate(carried) if there), default=-1)
        if newest < self._due:
            report.add(CODE, f"{name} lacks the signature of {_told(self._keys[self._due][1])}")
        self._due = max(self._due, newest)

    def _carried(self, place: int, text: str, signatures: Sequence[Signature], name: str, report: Report) -> bool:
        key = self._keys[place][1]
        lines = [line for line in signatures if (line.name, line.key_id) == (key.name, key.key_id)]
        if not all(key.accepts(text, line) for line in lines):
            report.add(CODE, f"{name} has a signature of {_told(key)} that does not verify")
        return bool(lines)


def _told(key: VerifierKey) -> str:
    return f"the log's {key.algorithm.name.replace('_', '-')} key {key.key_id.hex()}"
