"""The nouns of the command line. Each is imported when it is asked for: all of them take seconds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from typing import Any, Final, cast

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from api import collector

NOUNS: Final[Mapping[str, str]] = {
    "demo": "Tell three stories: load them, publish their log, verify a receipt and serve the pages on 127.0.0.1.",
    "serve": "Answer HTTP requests until Ctrl-C or SIGTERM.",
    "item": "Show where a thing is, what it is in, and what happened to it.",
    "trace": "Show where things came from and what became of them.",
    "lot": "Show the stage of a lot, how much of it is where, and what is wrong with what was said of it.",
    "cold-chain": "Judge the temperatures of a thing, and of what it was in, by a profile of limits.",
    "label": "Draw the QR code of a thing's GS1 Digital Link, with the text that people read.",
    "feed": "Feeds of EPCIS documents: check, import, convert.",
    "command": "Say what happens to things; refused where it cannot be so.",
    "finding": "Findings: list, show, replay, dismiss.",
    "subscription": "Subscriptions: list, dead letters, replay.",
    "gs1": "Read and write GS1 identifiers: Digital Links, EPC URNs, element strings, scans.",
    "db": "The database: migrate, check, maintain, back up, restore, address.",
    "ledger": "Ledgers: add, list, personal members, erase, purge, restore.",
    "log": "The Merkle log: integrate, prove, verify, check.",
    "audit": "All openings of a ledger's logs in one encrypted file, and answers recomputed from it.",
    "evidence": "Evidence: register, certify, check.",
    "witness": "A witness: it cosigns logs that only grow, so that nobody is shown another history.",
    "organisation": "Organisations: add, list, and what each opens to others.",
    "register": "The register: who is registered, licensed and whose partner, and who may do what.",
    "evaluation": "Judge what was recorded. `evaluation ID` is `evaluation of ID`.",
    "recall": "Recall: what is affected and who has it, cases, notices and answers. `recall ID` is `recall start ID`.",
    "part": "Aircraft parts: whether they are serviceable, and how much of their life is used.",
    "drug": "Packages of medicines: verify, show.",
    "monitoring": "Monitoring sessions: certify, calibration, open, seal, evaluate, decide, list, show.",
    "clock": "Regulatory clocks: rules, start, answer, stop, list, show.",
    "shipment": "Shipments: advise, list, show, complete the receipt, answer and close exception cases.",
    "partner": "Partners: repositories, webhooks and folders that events come from.",
    "vocabulary": "Master data: what places, products and parties are called, and what belongs to them.",
    "key": "API keys: create, list, revoke.",
}
"""What each is for, in the order in which they are listed."""


class Nouns(TyperGroup):
    """The group of all of them."""

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - what Typer gives to a group
        super().__init__(**given)
        self.commands.update({name: Deferred(name) for name in NOUNS})


class Deferred(TyperCommand):
    """Stands for a noun in the list; who calls it gets the `real` command."""

    def __init__(self, name: str) -> None:
        super().__init__(name, help=NOUNS[name])

    @cached_property
    def real(self) -> TyperCommand | TyperGroup:
        """Import the command."""
        assert self.name is not None
        name = self.name.replace("-", "_")
        with collector.paused():  # modules are there for good, and to look through them again and again takes a tenth
            module = import_module(f"api.cli.{name}")
        app = getattr(module, "app", None)
        if app is not None:
            return typer.main.get_group(app)
        app = typer.Typer(rich_markup_mode="markdown", add_completion=False)
        app.command(self.name)(getattr(module, name))
        return cast("TyperCommand", typer.main.get_command(app))

    def make_context(self, *given: Any, **more: Any) -> Any:  # noqa: ANN401 - Typer's own are of a private package
        """Return the context of the real command."""
        return self.real.make_context(*given, **more)
