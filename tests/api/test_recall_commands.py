"""`traceability recall …`, run as people run it."""

from __future__ import annotations

from pathlib import Path

from tests.api.test_cli import Run, dairy, run
from tests.support.sheets import sheet_rows

__all__ = ["dairy", "run"]  # fixtures

LOT = "(01)09521234000013(10)A7"
PACKS = [f"(01)09521234000013(21)100{n}" for n in (1, 2)]
ABOUT = ("--name", "Listeria", "--reason", "a sample", "--class", "I")
STORE = ("--as", "store.example")


def made(dairy: Run) -> None:
    """Commission two packs of a lot, and hand one over to a store."""
    assert dairy("organisation", "add", "store.example", "--gln", "9521234000020").code == 0
    commission = ("--gtin", "09521234000013", "--serials", "1001", "--serials", "1002", "--lot", "A7")
    assert dairy("command", "commission", *commission).code == 0
    offered = ("--things", PACKS[0], "--role", "custody", "--to", "store.example", "--proposal", "P1")
    assert dairy("command", "propose_transfer", *offered).code == 0
    assert dairy("command", "accept_transfer", "--things", PACKS[0], "--proposal", "P1", *STORE).code == 0


def test_a_dry_run_tells_who_has_what_and_records_nothing(dairy: Run) -> None:
    made(dairy)
    planned = dairy("recall", LOT, "--dry-run", "--json").json
    assert (planned["items"], planned["lots"], planned["complete"]) == (2, 1, True)
    assert {one["holder"]: one["things"] for one in planned["holders"]} == {"dairy.example": 1, "store.example": 1}
    shown = dairy("recall", "--dry-run", LOT)
    assert "store.example\t1\tyes" in shown.out.splitlines()
    assert "Nothing was recorded" in shown.err
    assert dairy("recall", "list", "--json").json == {"recalls": [], "before": None}


def test_a_case_from_its_beginning_to_its_end(dairy: Run, tmp_path: Path) -> None:
    made(dairy)
    started = dairy("recall", LOT, *ABOUT, "--json").json
    case = started["case"]
    assert started["stage"] == "scoped"
    assert dairy("recall", "notify", case, "--to", "store.example", "--json").json["stage"] == "notified"
    (notice,) = dairy("recall", "show", case, "--json", *STORE).json["notices"]
    told = ("--told", f"quarantined={PACKS[0]}", "--note", "in the cold store")
    assert (
        dairy("recall", "acknowledge", case, notice["notice"], *told, *STORE, "--json").json["stage"] == "acknowledged"
    )
    table = [line.split("\t")[1:] for line in dairy("recall", "affected", case).out.splitlines()]
    assert ["store.example", "yes", "quarantined"] in table
    file = tmp_path / "affected.xlsx"
    assert dairy("recall", "affected", case, "--format", "xlsx", "--output", str(file)).code == 0
    assert sheet_rows(file.read_bytes())[0][2:6:3] == ["holder", "outcome"]
    assert dairy("recall", "affected", case, "--format", "csv").out.startswith("thing,kind,holder")
    fates = ("--thing", f"recovered={PACKS[1]}", "--thing", f"recovered:2:KGM={LOT}")
    assert dairy("recall", "reconcile", case, *fates, "--json").json["stage"] == "reconciled"
    (account,) = dairy("recall", "show", case, "--json").json["reconciled"]["said"]["lots"]
    assert (account["recovered"], account["uom"]) == ("2", "KGM")
    assert dairy("recall", "scope", case).out.strip() == case
    assert dairy("recall", "close", case, "--json").json["error"]["code"] == "recall.not_reconciled"
    assert dairy("recall", "close", case, "--reason", "all is back").code == 0
    rows = [line.split("\t")[3] for line in dairy("recall", "show", case).out.splitlines()]
    assert rows == ["opened", "scoped", "notified", "acknowledged", "reconciled", "scoped", "closed", "closed"]
    assert dairy("recall", "list", *STORE).out.split("\t")[:2] == [case, "closed"]
    opened = dairy("recall", "open", LOT, *ABOUT).out.strip()
    assert dairy("recall", "cancel", opened, "--reason", "mixed up", "--json").json["stage"] == "cancelled"


def test_mistakes_are_told(dairy: Run) -> None:
    made(dairy)
    assert dairy("recall", "show", "none").code == 4
    assert dairy("recall", LOT).code == 2
    assert dairy("recall", "(01)09521234000013(10)B8", "--dry-run").code == 4
    case = dairy("recall", "open", LOT, *ABOUT).out.strip()
    assert dairy("recall", "acknowledge", case, "n1", "--told", "quarantined", *STORE).code == 2
    assert dairy("recall", "acknowledge", case, "n1", "--told", "gone:1:KGM:x=1", *STORE).code == 2
    wrong = dairy("recall", "reconcile", case, "--thing", f"eaten={PACKS[0]}", "--json")
    assert (wrong.code, wrong.json["error"]["code"]) == (1, "recall.malformed")
    assert dairy("recall", "close", case, *STORE).code == 4
    assert "start ID" in dairy("recall", "--help").out
