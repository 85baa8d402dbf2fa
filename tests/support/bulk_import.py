"""A process that imports events from a generator and says how its memory grew.

    python -m tests.support.bulk_import URL EVENTS

Prints the peak of its resident memory in kilobytes after the first twelfth of the events, and at the end.
"""

from __future__ import annotations

import resource
import sys

from tests.ledgers import numbered, postgres_ledger


def main() -> None:
    url, size = sys.argv[1], int(sys.argv[2])
    done, said = 0, False
    with postgres_ledger(url) as ledger:
        for batch in ledger.append_all(numbered([f"item:{n}" for n in range(500)], size)):
            done += len(batch)
            if not said and done >= size // 12:
                said = True
                print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
    assert done == size
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main()
