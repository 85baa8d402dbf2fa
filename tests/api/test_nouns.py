"""The nouns of the command line are listed without being imported, and each is what the list says."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
from typer.core import TyperGroup

from api.cli.nouns import NOUNS, Deferred

HEAVY = {"fastapi", "httpx", "lxml", "numpy", "psycopg", "uvicorn"}


COMMANDS = [noun for noun in NOUNS if not isinstance(Deferred(noun).real, TyperGroup)]
"""Nouns without verbs, whose help is written beside what they do; that of groups is taken from the list."""


@pytest.mark.parametrize("noun", NOUNS)
def test_each_is_there_by_its_name(noun: str) -> None:
    assert Deferred(noun).real.name == noun


@pytest.mark.parametrize("noun", COMMANDS)
def test_the_list_says_what_a_noun_says_of_itself(noun: str) -> None:
    assert inspect.cleandoc(Deferred(noun).real.help or "").partition("\n")[0] == NOUNS[noun]


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


@pytest.mark.parametrize("noun", sorted(NOUNS.keys() - {"demo", "serve"}))
def test_only_who_serves_needs_what_serves(noun: str) -> None:
    program = (
        f"import sys; from api.cli.nouns import Deferred; Deferred({noun!r}).real; print('fastapi' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
