"""What other traceability systems get wrong, each over HTTP with a database behind it.

Seen by running them or by reading them: state that an older event rewinds, containers whose time is guessed, rules that
are skipped from a size on. The names of the tests are the faults.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import httpx
import pytest

from api.wiring import Engine
from tests.api.test_capture_http import ended, post, running
from tests.api.test_provenance_http import items, record
from tests.support.epcis_events import document, event
from tests.support.happenings import (
    OTHER_GTIN,
    OTHER_PALLET,
    PALLET,
    PLANT,
    STORE,
    TOTE,
    Decided,
    Happening,
    attach,
    commission,
    end,
    lot,
    observe,
    pack,
    put,
    ship,
    take,
    transform,
)
from traceability.ledger.organisations import Scope
from traceability.supply_chain.drug_package.events import BatchRecalled

__all__ = ["running"]  # a fixture

DAIRY = "dairy.example"
A, B, C, LOT = pack("A"), pack("B"), pack("C"), lot("L1")
LABEL = {"urn:epcglobal:cbv:mda:itemExpirationDate": "2099-04-30", "urn:epcglobal:cbv:mda:lotNumber": "L1"}
Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def dairy(client: httpx.Client, bearer: Bearer) -> httpx.Client:
    client.headers = httpx.Headers(bearer(DAIRY, *Scope))
    return client


def told(engine: Engine, *happenings: Happening) -> None:
    record(engine, *(replace(one, by=DAIRY) for one in happenings))


def traced(client: httpx.Client, *roots: str, direction: str = "forward", **more: Any) -> Any:
    answer = client.post("/provenance/traces", json={"roots": roots, "direction": direction, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def affected(trace: Any) -> set[str]:
    """Return what a trace says is affected, and not only carries it."""
    return {name for name, node in trace["nodes"].items() if node["reach"] == "traced"}


def wrong(client: httpx.Client, *things: str) -> list[tuple[str, str]]:
    answer = client.post("/provenance/evaluations", json={"things": things})
    assert answer.status_code == 200, answer.text
    return [(one["thing"], one["code"]) for one in answer.json()["irregularities"]]


def test_a_late_older_event_does_not_rewind_the_state(engine: Engine, dairy: httpx.Client) -> None:
    told(engine, commission(1, A), observe(9, A, disposition="in_progress", place=STORE))
    now = items(dairy, A)["state"]
    told(engine, observe(5, A, disposition="damaged", place=PLANT))
    assert items(dairy, A)["state"] == now
    assert (now["disposition"], now["place"]) == ("in_progress", STORE)
    assert items(dairy, A, as_of="2026-03-01T06:00:00Z")["state"]["disposition"] == "damaged"


def test_units_of_a_shipped_pallet_are_not_left_in_progress(engine: Engine, dairy: httpx.Client) -> None:
    told(engine, commission(1, A, B), put(2, TOTE, A, B), put(3, PALLET, TOTE), ship(4, PALLET, place=PLANT))
    for thing in (A, B, TOTE, PALLET):
        state = items(dairy, thing)["state"]
        assert (state["disposition"], state["last_step"], state["place"]) == ("in_transit", "shipping", PLANT)


def test_a_repacked_pallet_does_not_widen_a_recall(engine: Engine, dairy: httpx.Client) -> None:
    told(engine, commission(1, A), put(2, PALLET, A), observe(3, PALLET, place=PLANT), take(4, PALLET, A))
    told(engine, commission(5, B), put(6, PALLET, B), observe(7, PALLET, place=STORE))
    assert B not in traced(dairy, A)["nodes"]
    assert A not in traced(dairy, B, direction="back")["nodes"]
    assert items(dairy, A)["state"]["place"] == PLANT
    # One that nobody unpacked was there until it was packed elsewhere, and no longer.
    told(engine, commission(8, C), put(9, PALLET, C), put(11, OTHER_PALLET, C))
    told(engine, observe(12, PALLET, disposition="stolen"))
    assert items(dairy, C)["state"]["disposition"] != "stolen"


def test_an_unpacking_that_names_nobody_unpacks_all(engine: Engine, dairy: httpx.Client) -> None:
    told(
        engine,
        commission(1, A, B),
        put(2, PALLET, A, B, counted=[LOT]),
        take(3, PALLET),
        observe(4, PALLET, place=STORE),
    )
    assert items(dairy, PALLET)["state"]["contents"] == []
    for thing in (A, B):
        state = items(dairy, thing)["state"]
        assert (state["contained_in"], state["place"]) == ([], None)
    # Where it comes late, what was packed meanwhile stays.
    told(engine, put(6, PALLET, A), take(5, PALLET))
    assert items(dairy, PALLET)["state"]["contents"] == [A]


def test_a_lot_that_is_named_as_a_quantity_is_traced(engine: Engine, dairy: httpx.Client) -> None:
    milk, cheese, other = lot("M1", OTHER_GTIN), lot("K1", OTHER_GTIN), lot("M2", OTHER_GTIN)
    told(engine, transform(1, counted_inputs=[milk], counted_outputs=[cheese]))
    told(engine, put(2, PALLET, counted=[cheese, other]), observe(3, PALLET, place=STORE))
    trace = traced(dairy, milk)
    assert affected(trace) == {milk, cheese}
    assert trace["nodes"][PALLET]["reach"] == "carrier"
    assert other not in trace["nodes"]
    assert affected(traced(dairy, cheese, direction="back")) >= {milk, cheese}


def test_the_serialised_packs_of_a_recalled_lot_are_recalled(engine: Engine, dairy: httpx.Client) -> None:
    told(engine, commission(1, A, B, number="L1"), observe(1, f"{LOT}/21/D"), commission(1, C, number="L2"))
    told(engine, put(2, PALLET, A, C), ship(3, PALLET))
    assert affected(traced(dairy, LOT)) >= {LOT, A, B, f"{LOT.rpartition('/10/')[0]}/21/D"}
    about = {"name": "Listeria", "reason": "a sample", "classification": "I", "roots": [LOT]}
    case = dairy.post("/recalls", json=about).json()["case"]
    assert dairy.post(f"/recalls/{case}/scope", json={}).status_code in (200, 201)
    listed = {one["thing"] for one in dairy.get(f"/recalls/{case}/affected").json()["affected"]}
    assert listed >= {A, B}
    assert C not in listed


def test_containers_inside_one_another_end_no_answer(engine: Engine, dairy: httpx.Client) -> None:
    told(engine, put(1, PALLET, OTHER_PALLET), put(2, OTHER_PALLET, TOTE), put(3, TOTE, PALLET), put(4, TOTE, A))
    for direction in ("back", "forward", "both"):
        assert PALLET in traced(dairy, PALLET, direction=direction)["nodes"]
        assert traced(dairy, A, direction=direction)["nodes"].keys() >= {A, TOTE}
    assert items(dairy, A)["state"]["contained_in"][0] == TOTE
    assert "cycle" in {code for _, code in wrong(dairy, PALLET, OTHER_PALLET, TOTE)}


def test_what_is_attached_contaminates_nothing(engine: Engine, dairy: httpx.Client) -> None:
    logger = "https://id.gs1.org/8004/9521234L1"
    told(engine, commission(1, A), attach(2, PALLET, logger), put(3, PALLET, A), attach(4, A, pack("label")))
    assert logger not in affected(traced(dairy, A))
    assert A not in affected(traced(dairy, logger, direction="both"))
    assert items(dairy, logger)["state"]["attached_to"] == [PALLET]


def test_no_rule_is_skipped_at_any_size_and_no_finding_is_left_out(engine: Engine, dairy: httpx.Client) -> None:
    packs = [pack(f"N{n:05}") for n in range(6_000)]
    told(engine, commission(1, *packs), end(2, *packs), ship(3, *packs))
    found = [one for start in range(0, len(packs), 1_000) for one in wrong(dairy, *packs[start : start + 1_000])]
    assert [thing for thing, code in found if code == "ended"] == packs


def test_a_trace_does_not_stop_after_a_hundred_rounds(engine: Engine, dairy: httpx.Client) -> None:
    lots = [lot(f"S{n}", OTHER_GTIN) for n in range(251)]
    steps = enumerate(pairwise(lots))
    told(engine, *(transform(n, counted_inputs=[one], counted_outputs=[other]) for n, (one, other) in steps))
    for root, direction in ((lots[0], "forward"), (lots[-1], "back")):
        trace = traced(dairy, root, direction=direction, max_depth=1_000)
        assert (affected(trace), trace["complete"]) == (set(lots), True)


def test_one_bad_event_does_not_keep_the_others_out(engine: Engine, running: httpx.Client, bearer: Bearer) -> None:
    key = bearer(DAIRY, *Scope)
    bad = event(epcList=["https://id.gs1.org/01/09521234000014/21/1"])
    body = document(event(epcList=[A], eventID="urn:x:1"), bad, event(epcList=[B], eventID="urn:x:2"))
    job = ended(running, key, post(running, key, body, GS1_Capture_Error_Behaviour="proceed"))
    assert (job["recorded"], job["malformed"], engine.ledger.head()) == (2, 1, 2)


def test_a_pack_that_was_recalled_or_ended_is_not_verified_as_good(engine: Engine, dairy: httpx.Client) -> None:
    told(engine, replace(commission(1, A, B), how={"ilmd": LABEL}), end(2, B))

    def verified(serial: str) -> Any:
        return dairy.post("/drug-packages/verify", json={"code": f"(01)09521234000013(21){serial}"}).json()

    assert verified("A")["findings"] == []
    assert "inactive" in verified("B")["findings"]
    record(engine, Decided(3, BatchRecalled(things=(LOT,), reason="particles"), DAIRY))
    assert "recalled" in verified("A")["findings"]
