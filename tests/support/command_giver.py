"""A process that gives commands which others give too: `python -m tests.support.command_giver URL DATA NUMBER ROUNDS`.

It says that it is ready, waits for a line, and notes on stdout, round by round, which of its commands were carried out.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import SecretStr

from api.commands import perform
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.support.happenings import pack
from traceability.ledger.store import AppendConflictError
from traceability.supply_chain.commands.refusal import CommandRefusedError
from traceability.supply_chain.commands.table import COMMANDS

MAKER = "dairy.example"
CUSTOMER = "https://id.gs1.org/417/9521234000013"
PACKS = 20


def serials(number: int) -> list[str]:
    return [f"R{number}N{n}" for n in range(PACKS)]


def loose(number: int) -> str:
    """Return the pack that some ship and others destroy."""
    return pack(f"R{number}L")


def pallet(process: int) -> str:
    return f"https://id.gs1.org/8003/09521234000099P{process}"


def done(engine: Engine, name: str, **members: object) -> bool:
    try:
        perform(engine, MAKER, COMMANDS[name].model_validate(members))
    except (CommandRefusedError, AppendConflictError):
        return False
    return True


def main() -> None:
    url, data, process, rounds = sys.argv[1:]
    with open_engine(Settings(database_url=SecretStr(url), data=Path(data))) as engine:
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(int(rounds)):
            issued = [*serials(number), f"R{number}L"]
            made = done(engine, "commission", gtin="9521234000013", serials=issued)
            packs = [pack(serial) for serial in serials(number)]
            packed = done(engine, "pack", parent=pallet(int(process)), children=packs)
            gone = (
                done(engine, "ship", things=[loose(number)], to=CUSTOMER)
                if int(process) % 2
                else done(engine, "destroy", things=[loose(number)])
            )
            print(f"{number} {made:d} {packed:d} {gone:d}", flush=True)


if __name__ == "__main__":
    main()
