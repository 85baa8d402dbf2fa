"""Log lines of the server, in a process of their own: what is logged of an exception, and what never is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import structlog
from api.logging import configure_logging

configure_logging()

def fail(key):
    raise LookupError("new row violates a constraint\\nDETAIL: Failing row contains (A. " + "Muster)")

try:
    fail("trace_" + "secret")
except LookupError:
    structlog.stdlib.get_logger("api.request").exception("request failed", route="/x/{id}")
"""
ROOT = Path(__file__).parents[2]


def test_a_traceback_names_places_and_no_values() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    line = json.loads(done.stderr)
    assert (line["event"], line["route"], line["level"]) == ("request failed", "/x/{id}", "error")
    (raised,) = line["exception"]
    assert (raised["exc_type"], raised["exc_value"]) == ("LookupError", "new row violates a constraint")
    assert raised["frames"][-1]["name"] == "fail"
    assert "trace_secret" not in done.stderr
    assert "Muster" not in done.stderr


def test_a_terminal_shows_no_values_either() -> None:
    leader, follower = os.openpty()
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, stderr=follower, check=True)
    os.close(follower)
    with os.fdopen(leader, "rb") as terminal:
        shown = os.read(terminal.fileno(), 65_536)
    assert b"LookupError" in shown
    assert b"in fail" in shown
    assert b"trace_secret" not in shown
