"""Clients that append while something else goes on: threads, one connection each, until a line comes on stdin.

    python -m tests.benchmarks._clients URL CLIENTS

Prints a line when they have begun, and JSON about how long their appends took at the end.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from itertools import count

from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem

from tests.ledgers import event, postgres_ledger

PAUSE = 0.02
"""Seconds between two appends of a client: people and machines think."""


def main() -> None:
    url, clients = sys.argv[1], int(sys.argv[2])
    latencies: list[float] = []
    ended = threading.Event()
    with postgres_ledger(url, connections=clients) as ledger:

        def append(client: int) -> None:
            for n in count():
                if ended.wait(PAUSE):
                    return
                tag = f"client:{client}:{n}"
                condition = DCBAppendCondition(DCBQuery(items=[DCBQueryItem(tags=[tag])]), after=ledger.head_seen)
                begun = time.perf_counter()
                ledger.append([event(tag, text="x" * 600)], condition)
                latencies.append(1000 * (time.perf_counter() - begun))

        threads = [threading.Thread(target=append, args=[client]) for client in range(clients)]
        for thread in threads:
            thread.start()
        print("begun", flush=True)
        sys.stdin.readline()
        ended.set()
        for thread in threads:
            thread.join()
    latencies.sort()
    print(
        json.dumps({
            "appends": len(latencies),
            "p50_ms": round(statistics.median(latencies), 1),
            "p99_ms": round(latencies[int(len(latencies) * 0.99)], 1),
            "max_ms": round(latencies[-1], 1),
        })
    )  # fmt: skip


if __name__ == "__main__":
    main()
