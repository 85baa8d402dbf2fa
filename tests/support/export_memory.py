"""A process that writes an audit export and reads it back, and says how its memory grew.

    python -m tests.support.export_memory FILE EVENTS

Prints the peak of its resident memory in kilobytes after the first twelfth of the events, when the file is written, and
when it was verified.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from adapters.exports.files import read_file, write_file
from adapters.system import SystemEntropy
from tests.support.logs import KEY, ORIGIN, stored_event
from traceability.merkle import CompactRange
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.export import AuditExport, ExportHeader, write_export
from traceability.notary.ports import StoredEvent

WORDS = "correct horse battery staple"


def main() -> None:
    path, size = Path(sys.argv[1]), int(sys.argv[2])
    tree = CompactRange()
    for i in range(size):
        tree.append(stored_event(i).leaf_hash)
    note = KEY.sign(Checkpoint(ORIGIN, size, tree.root()).text())
    header = ExportHeader("main", "main", ORIGIN, KEY.verifier.text, 11, size)
    write_file(path, write_export(header, _events(size), list, note), WORDS, SystemEntropy(), work=2)
    _say()
    with read_file(path, WORDS) as plain:
        assert sum(1 for _ in AuditExport(plain).verified(KEY.verifier)) == size
    _say()


def _events(size: int) -> Iterator[StoredEvent]:
    for i in range(size):
        if i == size // 12:
            _say()
        yield stored_event(i)


def _say() -> None:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)


if __name__ == "__main__":
    main()
