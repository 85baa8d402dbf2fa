"""`make bench`: print the machine, then run each benchmark in a process of its own.

A benchmark is a module of this folder whose name has no leading underscore, apart from `NO_BENCHMARKS`. It prints JSON
objects, one a line, on stdout, talks on stderr, and runs alone as `python -m tests.benchmarks.NAME`. Arguments are
parts of names to run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.benchmarks._machine import machine

FOLDER = Path(__file__).parent
NO_BENCHMARKS = {"generate", "long_log"}
"""Programs that people run by name: one writes the feed that the benchmarks read, one takes many minutes."""


def main(wanted: list[str]) -> int:
    programs = {path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_")}
    names = sorted(programs - NO_BENCHMARKS)
    chosen = [name for name in names if not wanted or any(part in name for part in wanted)]
    if not chosen:
        print(f"none of {', '.join(names) or 'no benchmarks'} matches {' '.join(wanted)}", file=sys.stderr)
        return 2
    print(json.dumps({"benchmark": "machine", **machine()}), flush=True)
    return max(
        subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}"], check=False).returncode for name in chosen
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
