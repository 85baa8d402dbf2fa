"""Every `traceability …` command that a document shows exists, with the options that it is shown with."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

from api.cli import app
from api.cli.nouns import Deferred

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]


def shown() -> Iterator[tuple[str, str]]:
    """Yield document and command, from lines of code blocks and from code inside sentences."""
    for document in DOCUMENTS:
        text = document.read_text()
        for command in re.findall(
            r"^(?:\$ )?(?:\.venv/bin/)?(traceability .+?)(?:  #.*)?$|`(traceability [^`]+)`", text, re.MULTILINE
        ):
            yield document.name, command[0] or command[1]


@pytest.mark.parametrize(("document", "command"), [pytest.param(*row, id=": ".join(row)) for row in shown()])
def test_a_command_that_is_shown_exists(document: str, command: str) -> None:
    node = typer.main.get_command(app)
    _, *words = shlex.split(command)
    while words and isinstance(node, TyperGroup):
        word = words.pop(0)
        # A group may take what is no verb for something else: `traceability recall ID`.
        found = node.commands.get(word) or node.commands.get(getattr(node, "otherwise", ""))
        assert found is not None, f"{document} shows `{command}`, but {node.name} has only {', '.join(node.commands)}"
        node = found.real if isinstance(found, Deferred) else found
    options = {name for parameter in node.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)} <= options | {"--help"}


def test_there_are_commands_to_look_at() -> None:
    assert any(document == "README.md" for document, _ in shown())
