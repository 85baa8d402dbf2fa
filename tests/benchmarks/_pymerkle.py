"""PyPI `pymerkle` 7 beside our log: the same entries, in the same batches, into its SQLite storage.

It is GPL, so nothing of ours imports it: it is installed into a folder of the run, and runs in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

_REQUIREMENT: Final = "pymerkle==7.*"
_PEER: Final = """
import json, random, statistics, sys, time
from pymerkle import SqliteTree

leaves, batch, proofs = map(int, sys.argv[2:])
entries = [b"\\x01" + i.to_bytes(56, "big") for i in range(leaves)]
tree = SqliteTree(sys.argv[1])
begun = time.perf_counter()
for start in range(0, leaves, batch):
    tree.append_entries(entries[start : start + batch])
    root = tree.get_root()
took = time.perf_counter() - begun
chance, latencies = random.Random(6962), []
for _ in range(proofs):
    index = chance.randrange(leaves)
    begun = time.perf_counter()
    tree.prove_inclusion(index + 1, leaves)
    latencies.append(time.perf_counter() - begun)
print(json.dumps({
    "leaves": leaves,
    "batch": batch,
    "leaves_per_second": round(leaves / took),
    "proof_p50_ms": round(1000 * statistics.median(latencies), 3),
    "root": root.hex(),
}))
"""


def peer_figures(folder: Path, *, leaves: int, batch: int, proofs: int) -> dict[str, float | str]:
    """Return what the peer does with the entries, or `{"skipped": why}` when it cannot be installed."""
    library = folder / "pymerkle"
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(library),
         _REQUIREMENT],
        check=False,
        capture_output=True,
        text=True,
    )  # fmt: skip
    if installed.returncode:
        return {"skipped": f"{_REQUIREMENT} cannot be installed: {installed.stderr.strip()[-200:]}"}
    ran = subprocess.run(
        [sys.executable, "-c", _PEER, str(folder / "peer.db"), str(leaves), str(batch), str(proofs)],
        env={**os.environ, "PYTHONPATH": str(library)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    figures: dict[str, float | str] = json.loads(ran.stdout)
    return figures
