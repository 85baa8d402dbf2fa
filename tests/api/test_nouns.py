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
