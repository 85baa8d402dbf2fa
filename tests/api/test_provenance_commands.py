"""`traceability item` and `traceability trace` over imported documents."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.api.test_cli import Run, dairy, document, event, run

__all__ = ["dairy", "run"]  # fixtures

PALLET = "https://id.gs1.org/00/095212340000000013"
MILK = "https://id.gs1.org/01/09521234000020/10/M1"
PACK = "https://id.gs1.org/01/09521234000013/21/1"
LOT_NUMBER = "cbvmda:lotNumber"


@pytest.fixture
def imported(dairy: Run, tmp_path: Path) -> Run:
    """Give `run` on a ledger in which milk was made into a pack, which travelled on a pallet."""
    story = [
        event(
            1,
            type="TransformationEvent",
            action=None,
            bizStep="creating_class_instance",
            epcList=None,
            inputQuantityList=[{"epcClass": MILK, "quantity": 10, "uom": "LTR"}],
            outputEPCList=[PACK],
            ilmd={LOT_NUMBER: "L1"},
        ),
        event(
            2,
            type="AggregationEvent",
            eventTime="2026-03-01T11:00:00+01:00",
            action="ADD",
            bizStep="packing",
            epcList=None,
            parentID=PALLET,
            childEPCs=[PACK],
        ),
        event(
            3,
            eventTime="2026-03-02T11:00:00+01:00",
            epcList=[PALLET],
            disposition="in_transit",
            readPoint={"id": "https://id.gs1.org/414/9521234000006"},
            sensorElementList=[{"sensorReport": [{"type": "Temperature", "value": 4.5, "uom": "CEL"}]}],
        ),
        event(
            4,
            type="AggregationEvent",
            eventTime="2026-03-03T11:00:00+01:00",
            action="DELETE",
            bizStep="unpacking",
            epcList=None,
            parentID=PALLET,
            childEPCs=[],
        ),
    ]
    file = tmp_path / "story.json"
    file.write_bytes(document(*({k: v for k, v in one.items() if v is not None} for one in story)))
    imported = dairy("feed", "import", str(file))
    assert imported.code == 0, imported.err
    return dairy


def test_an_item_is_shown_with_its_state_and_history(imported: Run) -> None:
    shown = imported("item", "(01)09521234000013(21)1")
    assert shown.code == 0
    facts, history = shown.out.splitlines()[:-4], shown.out.splitlines()[-4:]
    assert dict(line.split("\t") for line in facts) == {
        "state": "Active",
        "disposition": "On its way",
        "last place": "(414) 9521234000006, since 2026-03-02 10:00",
        "lot": "(01) 09521234000013 (10) L1",
        "in custody of": "dairy.example",
        "owned by": "dairy.example",
        "under way to": "whoever receives it, since 2026-03-02 10:00",
        "made from": "(01) 09521234000020 (10) M1",
        "last temperature": "4.5 °C, 2026-03-02 10:00",
        "was in": "(00) 095212340000000013, 2026-03-01 10:00 to 2026-03-03 10:00",
        "known at": "position 4",
    }
    assert [line.split("\t")[:2] for line in history] == [
        ["2026-03-01 08:15", "Lot created"],
        ["2026-03-01 10:00", "Packed"],
        ["2026-03-02 10:00", "Shipped, in (00) 095212340000000013"],
        ["2026-03-03 10:00", "Unpacked, in (00) 095212340000000013"],
    ]


def test_an_item_is_shown_as_of_a_time_and_as_known_at_a_position(imported: Run) -> None:
    inside = imported("item", PACK, "--as-of", "2026-03-02T00:00:00+01:00", "--json").json
    assert inside["state"]["contained_in"] == [PALLET]
    assert imported("item", PACK, "--known-at", "2", "--json").json["state"]["contained_in"] == [PALLET]
    assert imported("item", PACK, "--json").json["state"]["contained_in"] == []
    assert imported("item", PALLET, "--limit", "1").err.startswith("The last 1 of 3 events")


def test_a_trace_is_a_tree_from_each_root(imported: Run) -> None:
    back = imported("trace", PACK, "--direction", "back")
    assert back.code == 0
    lines = [line.strip("│├└─ ") for line in back.out.splitlines()]
    assert lines[0] == "(01) 09521234000013 (21) 1: where it came from"
    assert sorted(lines[1:]) == [
        "(00) 095212340000000013  together 2026-03-01 10:00 to 2026-03-03 10:00, as container",
        "(01) 09521234000013 (10) L1  of one lot",
        "(01) 09521234000020 (10) M1  2026-03-01 08:15",
        "transformation 2026-03-01 08:15",
    ]
    both = imported("trace", MILK)
    assert [line for line in both.out.splitlines() if line.startswith("(")] == [
        "(01) 09521234000020 (10) M1: where it came from",
        "(01) 09521234000020 (10) M1: what became of it",
    ]
    cut = imported("trace", MILK, "--direction", "forward", "--max-depth", "1")
    assert "more behind --max-depth" in cut.out
    assert "A limit cut this trace short." in cut.err


def test_on_a_narrow_terminal_nothing_is_cut_short(imported: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "50")
    shown = {command: re.sub(r"\x1b\[[0-9;]*m", "", imported(command, PACK).out) for command in ("item", "trace")}
    for text in shown.values():
        assert max(map(len, text.splitlines())) <= 50
        assert "…" not in text
    words = shown["trace"].replace("│", "").split()
    assert [words.count(word) for word in ("container", "2026-03-03")] == [2, 2]


def test_a_trace_as_json(imported: Run) -> None:
    found = imported("trace", MILK, PALLET, "--direction", "forward", "--events", "--json").json
    assert {key for key, node in found["nodes"].items() if node["reach"] == "traced"} == {MILK, PALLET, PACK}
    assert [one["position"] for one in found["events"]] == [1, 2, 4]
    only = imported("trace", PACK, "--edge-kind", "containment", "--json").json
    assert {edge["kind"] for edge in only["edges"]} == {"containment"}


@pytest.mark.parametrize("command", ["item", "trace"])
def test_what_is_not_known_is_4_and_senseless_questions_are_refused(imported: Run, command: str) -> None:
    unknown = imported(command, "(01)09521234000013(21)999", "--json")
    assert (unknown.code, unknown.json["error"]["code"]) == (4, "not_found")
    assert imported(command, PACK, "--known-at", "99").code == 1
    assert imported(command, "hello").code == 1
    for time in ("yesterday", "2026-03-01T00:00:00"):
        refused = imported(command, PACK, "--as-of", time)
        assert (refused.code, refused.out) == (2, "")
    no_date = imported(command, PACK, "--as-of", "0001-01-01T00:00:00+14:00", "--json")
    assert (no_date.code, no_date.json["error"]["code"]) == (1, "provenance.as_of")


def test_another_organisation_sees_nothing_of_it(imported: Run) -> None:
    assert imported("organisation", "add", "rival.example").code == 0
    assert imported("item", PACK, "--as", "rival.example").code == 4
    assert imported("trace", PACK, "--as", "rival.example").code == 4


def test_a_trace_is_printed_in_lines_while_it_is_found(imported: Run) -> None:
    whole = imported("trace", MILK, "--json").json
    lines = [json.loads(line) for line in imported("trace", MILK, "--ndjson").out.splitlines()]
    assert {line["node"]["id"] for line in lines if "node" in line} == set(whole["nodes"])
    assert lines[-1]["end"]["edges"] == len(whole["edges"]) == sum("edge" in line for line in lines)


def test_a_trace_is_printed_as_a_graph(imported: Run) -> None:
    assert imported("trace", MILK, "--format", "mermaid").out.startswith("flowchart LR\n")
    assert imported("trace", MILK, "--format", "graphml").out.startswith("<?xml")
    graph = json.loads(imported("trace", MILK, "--format", "jsonld").out)["@graph"]
    assert len(graph) == len(imported("trace", MILK, "--json").json["nodes"])


def test_a_trace_is_balanced_and_narrowed_as_asked(imported: Run) -> None:
    asked = ("trace", MILK, "--direction", "forward", "--json")
    told = imported(*asked, "--shares", "--whereabouts", "--tolerance", "0.1", "--chain-of-custody", "segregated").json
    assert told["balance"]["shares"] == [{"id": PACK, "most": "1.000000000000", "proportional": "1.000000000000"}]
    assert told["balance"]["breaches"] == []
    assert {one["id"] for one in told["blast_radius"]["whereabouts"]} == {PACK, MILK}
    place = "https://id.gs1.org/414/9521234000006"
    assert imported(*asked, "--at", place, "--since", "2026-03-02T00:00:00Z").json["nodes"].keys() == {
        MILK,
        PACK,
        PALLET,
    }
    assert imported(*asked, "--until", "2026-02-01T00:00:00Z").json["nodes"].keys() == {MILK}
    for wrong in (("--tolerance", "much"), ("--tolerance", "2"), ("--tolerance", "NaN"), ("--since", "yesterday")):
        assert imported(*asked, *wrong).code == 2
