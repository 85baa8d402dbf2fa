"""The nouns of the command line are listed without being imported, and each is what the list says."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from api.cli.nouns import NOUNS, Deferred

HEAVY = {"fastapi", "httpx", "lxml", "numpy", "psycopg", "uvicorn"}


@pytest.mark.parametrize("noun", NOUNS)
def test_the_list_says_what_a_noun_says_of_itself(noun: str) -> None:
    real = Deferred(noun).real
    assert real.name == noun
    # That of a group is taken from the list; that of a command stands beside what it does.
    assert inspect.cleandoc(real.help or "").partition("\n")[0] == NOUNS[noun]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["no-such-noun"]])
def test_to_list_them_takes_no_imports(arguments: list[str]) -> None:
    program = f"""
import sys
from api.cli import app
sys.argv[1:] = {arguments!r}
try:
    app()
except SystemExit:
    print(sorted(set(sys.modules) & {HEAVY!r}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_only_who_serves_needs_what_serves() -> None:
    nouns = sorted(NOUNS.keys() - {"demo", "serve"})
    program = f"""
import sys
from api.cli.nouns import Deferred
print(next((noun for noun in {nouns!r} if Deferred(noun).real and "fastapi" in sys.modules), None))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"
