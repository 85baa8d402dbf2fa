"""Memory does not grow with the length of a log that is exported, or of an export that is verified."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EVENTS = 100_000
FEW_KILOBYTES = 8_192


def test_an_export_of_a_hundred_thousand_events_needs_no_more_memory_than_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "all.age"
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.export_memory", str(file), str(EVENTS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    early, written, verified = map(int, done.stdout.split())
    assert file.stat().st_size > 20_000_000
    assert written - early < FEW_KILOBYTES
    assert verified - early < FEW_KILOBYTES
