"""Commands one by one: what they record, and what each is refused for."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.desks import World
from tests.support.happenings import GTIN, OTHER_PALLET, PALLET, PLANT, TOTE, hours, lot, pack
from traceability.errors import ConflictError, InvalidInputError, NotFoundError
from traceability.gs1.epcis.strict_json import loads
from traceability.gs1.epcis.writer import write_event
from traceability.ledger.event import utc_text
from traceability.ledger.store import AppendConflictError
from traceability.supply_chain.commands.carrying_out import decide
from traceability.supply_chain.commands.refusal import MEANINGS
from traceability.supply_chain.commands.table import COMMANDS
from traceability.supply_chain.item import Lifecycle

A, B, C = pack("A"), pack("B"), pack("C")
CASE = "https://id.gs1.org/00/095212340000000037"
MILK, CHEESE, WHEY = lot("MILK"), lot("CHEESE"), lot("WHEY")


@pytest.fixture
def world() -> World:
    return World()


def event_at(world: World, position: int) -> dict[str, Any]:
    (record,) = world.ledger.records([position])
    event: dict[str, Any] = loads(write_event(record.event.parts, None))
    assert record.event.parts.source == b""
    return event


def kilos(thing: str, quantity: float | str) -> dict[str, Any]:
    return {"id": thing, "quantity": str(quantity), "uom": "KGM"}


def test_a_range_of_serials_is_commissioned_in_one_event(world: World) -> None:
    said: dict[str, Any] = {"gtin": "9521234000013", "ranges": [{"first": "0998", "last": "1001"}], "serials": ["A/1"]}
    position = world.do("commission", at=1, lot="A7", expiry="2027-03-01", read_point=PLANT, **said)
    event = event_at(world, position)
    event_id = event.pop("eventID")
    assert event_id.startswith("urn:uuid:")
    assert event == {
        "type": "ObjectEvent",
        "eventTime": "2026-03-01T01:00:00.000000Z",
        "eventTimeZoneOffset": "+00:00",
        "action": "ADD",
        "bizStep": "commissioning",
        "disposition": "active",
        "epcList": [f"{GTIN}/21/{serial}" for serial in ("A%2F1", "0998", "0999", "1000", "1001")],
        "ilmd": {
            "urn:epcglobal:cbv:mda:lotNumber": "A7",
            "urn:epcglobal:cbv:mda:itemExpirationDate": "2027-03-01",
        },
        "readPoint": {"id": PLANT},
    }
    assert world.history(pack("0999")).state.lot == lot("A7")


def test_an_identifier_is_issued_once(world: World) -> None:
    world.do("commission", at=2, things=[A, B])
    refused = world.refused("commission", things=[A, C, B])
    (broken,) = refused.rules
    assert (broken.rule, broken.things, broken.count) == ("commissioned_before", (A, B), 2)
    assert [(fact.position, fact.sentence) for fact in broken.facts] == [
        (1, "maker.example recorded commissioning at 2026-03-01T02:00:00.000000Z.")
    ]
    # Before or after: it would be issued twice, whoever does it.
    assert world.rules("commission", at=1, things=[A]) == ["commissioned_before"]
    assert world.rules("commission", by="store.example", things=[A]) == ["commissioned_before"]
    # More of a lot may be made.
    world.do("commission", quantities=[kilos(MILK, 10)])
    world.do("commission", quantities=[kilos(MILK, 10)])


def test_what_is_packed_is_known_not_ended_and_in_nothing_else(world: World) -> None:
    world.do("commission", at=1, things=[A, B, C])
    assert world.rules("pack", at=0, parent=PALLET, children=[A]) == ["unknown"]
    assert world.rules("pack", at=2, parent=PALLET, children=[A, pack("X")]) == ["unknown"]
    world.do("pack", at=2, parent=PALLET, children=[A, B])
    again = world.refused("pack", at=4, parent=OTHER_PALLET, children=[A, B, C])
    (broken,) = again.rules
    assert (broken.rule, broken.things) == ("inside", (A, B))
    assert [(fact.position, fact.sentence) for fact in broken.facts] == [
        (2, f"maker.example recorded packing at 2026-03-01T02:00:00.000000Z, which put it into {PALLET}.")
    ]
    assert world.rules("pack", at=4, parent=PALLET, children=[A]) == ["inside"]
    # What came later would no longer hold.
    later = world.refused("pack", at=1.5, parent=OTHER_PALLET, children=[A])
    assert [fact.position for fact in later.rules[0].facts] == [2]
    world.do("unpack", at=3, parent=PALLET, children=[A])
    world.do("pack", at=4, parent=OTHER_PALLET, children=[A, C])
    world.do("decommission", at=5, things=[C])
    assert world.rules("pack", at=6, parent=PALLET, children=[C]) == ["ended"]
    assert world.history(A).state.contained_in == (OTHER_PALLET,)
    assert world.history(C).state.lifecycle is Lifecycle.DECOMMISSIONED


def test_nothing_is_inside_of_itself(world: World) -> None:
    world.do("commission", at=1, things=[A, PALLET, TOTE, CASE])
    world.do("pack", at=2, parent=CASE, children=[A])
    world.do("pack", at=3, parent=TOTE, children=[CASE])
    assert world.rules("pack", at=4, parent=CASE, children=[TOTE]) == ["cycle"]
    assert world.rules("pack", at=4, parent=TOTE, children=[TOTE]) == ["cycle"]
    # At that time the tote is still empty, but not later.
    assert world.rules("pack", at=2.5, parent=A, children=[TOTE]) == ["cycle"]
    world.do("unpack", at=5, parent=TOTE)
    world.do("pack", at=6, parent=CASE, children=[TOTE])


def test_ten_containers_are_inside_one_another_and_no_more(world: World) -> None:
    things = [pack(n) for n in range(12)]
    world.do("commission", at=1, things=things)
    for inner, outer in pairwise(things[:10]):
        world.do("pack", at=2, parent=outer, children=[inner])
    world.do("pack", at=3, parent=things[11], children=[things[10]])
    assert world.rules("pack", at=4, parent=things[10], children=[things[9]]) == ["too_deep"]
    world.do("unpack", at=5, parent=things[11])
    world.do("pack", at=6, parent=things[10], children=[things[9]])
    assert world.rules("pack", at=7, parent=things[11], children=[things[10]]) == ["too_deep"]
    assert len(world.history(things[0]).state.contained_in) == 10


def test_a_thousand_packs_are_one_event(world: World) -> None:
    world.do("commission", gtin="9521234000013", ranges=[{"first": "0000", "last": "0999"}])
    things = [pack(f"{n:04d}") for n in range(1000)]
    world.do("pack", parent=PALLET, children=things)
    assert world.ledger.head() == 2
    assert len(world.history(PALLET).state.contents) == 1000
    refused = world.refused("pack", parent=TOTE, children=things)
    assert [(len(broken.things), broken.count, len(broken.facts)) for broken in refused.rules] == [(100, 1000, 1)]


def test_only_what_is_inside_is_unpacked(world: World) -> None:
    world.do("commission", at=1, things=[A, B])
    world.do("pack", at=2, parent=PALLET, children=[A, B])
    assert world.rules("unpack", at=3, parent=OTHER_PALLET, children=[A]) == ["not_inside"]
    assert world.rules("unpack", at=1, parent=PALLET, children=[A]) == ["not_inside"]
    assert world.rules("unpack", at=3, parent=OTHER_PALLET) == ["nothing_inside"]
    world.do("unpack", at=3, parent=PALLET, children=[A])
    refused = world.refused("unpack", at=4, parent=PALLET, children=[A, B])
    assert [(broken.rule, broken.things) for broken in refused.rules] == [("not_inside", (A,))]
    world.do("unpack", at=4, parent=PALLET)
    assert world.rules("unpack", at=5, parent=PALLET) == ["nothing_inside"]
    assert "childEPCs" not in event_at(world, 4)
    assert world.history(B).state.contained_in == ()


def test_what_ends_is_empty_or_ends_with_its_contents(world: World) -> None:
    world.do("commission", at=1, things=[A, B, PALLET])
    world.do("pack", at=2, parent=PALLET, children=[A, B])
    assert world.rules("destroy", at=3, things=[PALLET]) == ["not_empty"]
    assert world.rules("decommission", at=3, things=[PALLET, A]) == ["not_empty"]
    world.do("destroy", at=3, things=[PALLET, A, B])
    assert world.rules("observe", at=4, things=[A]) == ["ended"]
    assert world.rules("decommission", at=2.5, things=[A]) == ["ended"]
    assert world.history(PALLET).state.lifecycle is Lifecycle.DESTROYED


def test_observing_is_no_way_round_other_commands(world: World) -> None:
    world.do("commission", at=1, things=[A])
    for step in ("packing", "https://ref.gs1.org/cbv/BizStep-decommissioning"):
        with pytest.raises(ValidationError, match="a command of its own"):
            world.do("observe", things=[A], biz_step=step)
    world.do("observe", at=2, things=[A], biz_step="dispensing", disposition="dispensed")
    assert world.history(A).state.lifecycle is Lifecycle.SUPPLIED
    assert world.rules("observe", at=3, things=[A]) == ["ended"]


def test_a_transformation_balances_by_kind_of_quantity(world: World) -> None:
    world.do("commission", at=1, quantities=[kilos(MILK, 100)])
    made: dict[str, Any] = {"input_quantities": [kilos(MILK, 50)], "lot": "CHEESE"}
    assert world.rules("transform", at=2, output_quantities=[kilos(CHEESE, "50.1")], **made) == ["mass_balance"]
    tonnes = [{"id": CHEESE, "quantity": "0.0501", "uom": "TNE"}]
    assert world.rules("transform", at=2, output_quantities=tonnes, **made) == ["mass_balance"]
    far_less: dict[str, Any] = {"output_quantities": [kilos(CHEESE, 40)], "tolerance": "0.1"}
    (broken,) = world.refused("transform", at=2, **far_less, **made).rules
    assert [fact.sentence for fact in broken.facts] == ["50 went in and 40 came out (mass)."]
    world.do("transform", at=2, output_quantities=[kilos(CHEESE, "50.1")], tolerance="0.1", **made)
    # A new lot each time, unless it is the same transformation.
    assert world.rules("transform", at=3, output_quantities=[kilos(CHEESE, 1)], **made) == ["made_before"]
    # No more goes than there was, at any time.
    assert world.rules("transform", at=3, input_quantities=[kilos(MILK, 51)], outputs=[A]) == ["below_zero"]
    world.do("decommission", at=5, quantities=[kilos(MILK, 30)])
    (broken,) = world.refused("transform", at=3, input_quantities=[kilos(MILK, 21)], outputs=[A]).rules
    assert broken.facts[0].sentence == "1 more of it goes than there was (mass)."
    world.do("transform", at=3, input_quantities=[kilos(MILK, 20)], outputs=[A])
    assert world.rules("transform", inputs=[A], outputs=[A]) != []
    assert world.rules("transform", inputs=[B], outputs=[C]) == ["unknown"]


def test_of_lots_that_are_told_of_together_each_has_its_own_quantity(world: World) -> None:
    world.do("commission", at=1, quantities=[kilos(MILK, 100), kilos(WHEY, 10)])
    assert world.rules("decommission", at=2, quantities=[kilos(MILK, 50), kilos(WHEY, 50)]) == ["below_zero"]
    world.do("decommission", at=2, quantities=[kilos(MILK, 50), kilos(WHEY, 5)])
    (broken,) = world.refused("decommission", at=3, quantities=[kilos(MILK, 50), kilos(WHEY, 6)]).rules
    assert (broken.rule, broken.things) == ("below_zero", (WHEY,))


def test_a_refusal_writes_quantities_of_any_size(world: World) -> None:
    most = {"id": MILK, "quantity": "9" * 20, "uom": "TNE"}
    world.do("commission", at=1, quantities=[{"id": MILK, "quantity": "1", "uom": "TNE"}])
    (broken,) = world.refused("decommission", at=2, quantities=[most]).rules
    assert f"{'9' * 19}8000 more of it goes" in broken.facts[0].sentence


def test_a_transformation_in_parts_balances_as_a_whole(world: World) -> None:
    world.do("commission", at=1, quantities=[kilos(MILK, 100)])
    joined = {"transformation_id": "urn:uuid:9"}
    world.do("transform", at=2, input_quantities=[kilos(MILK, 50)], **joined)
    world.do("transform", at=3, output_quantities=[kilos(CHEESE, 30)], **joined)
    assert world.rules("transform", at=4, output_quantities=[kilos(CHEESE, 21)], **joined) == ["mass_balance"]
    world.do("transform", at=4, output_quantities=[kilos(CHEESE, 20)], **joined)


def test_a_transformation_whose_outputs_were_told_first_balances_too(world: World) -> None:
    world.do("commission", at=1, quantities=[kilos(MILK, 100)])
    joined = {"transformation_id": "urn:uuid:9"}
    world.do("transform", at=3, output_quantities=[kilos(CHEESE, 30)], **joined)
    assert world.rules("transform", at=2, input_quantities=[kilos(MILK, 29)], **joined) == ["mass_balance"]
    world.do("transform", at=2, input_quantities=[kilos(MILK, 30)], **joined)


def test_an_event_of_ones_own_is_taken_back(world: World) -> None:
    world.do("commission", at=1, things=[A], event_id="urn:uuid:1")
    with pytest.raises(NotFoundError):
        world.do("correct", by="store.example", event="urn:uuid:1")
    with pytest.raises(ConflictError, match="of this eventID before"):
        world.do("commission", at=1, things=[B], event_id="urn:uuid:1")
    position = world.do("correct", event="urn:uuid:1", corrective_event_ids=["urn:uuid:2"])
    event = event_at(world, position)
    assert event["eventID"] == "urn:uuid:1"
    assert event["epcList"] == [A]
    assert event["errorDeclaration"] == {
        "declarationTime": event["errorDeclaration"]["declarationTime"],
        "reason": "incorrect_data",
        "correctiveEventIDs": ["urn:uuid:2"],
    }
    assert world.rules("correct", event="urn:uuid:1") == ["declared_before"]
    # Now the identifier is free for the event that says it right.
    world.do("commission", at=1, things=[A], lot="A8", event_id="urn:uuid:2")
    assert world.history(A).state.lot == lot("A8")


def test_a_correction_breaks_nothing_that_came_later(world: World) -> None:
    world.do("commission", at=1, things=[A])
    world.do("pack", at=2, parent=PALLET, children=[A])
    unpacked = world.do("unpack", at=3, parent=PALLET, children=[A])
    world.do("pack", at=4, parent=TOTE, children=[A])
    (record,) = world.ledger.records([unpacked])
    (broken,) = world.refused("correct", event=str(record.event.event_id)).rules
    assert (broken.rule, broken.things) == ("inside", (A,))
    assert [fact.position for fact in broken.facts] == [2, 4]


def test_what_is_known_by_a_member_alone_depends_on_the_members(world: World) -> None:
    made = world.do("commission", at=1, gtin="9521234000013", serials=["M1"], lot="L1")
    some = {"quantities": [{"id": lot("L1"), "quantity": "1"}], "event_time": utc_text(hours(2))}
    event, condition = decide(COMMANDS["observe"].model_validate(some), world.desk("maker.example"))
    (record,) = world.ledger.records([made])
    world.do("correct", event=str(record.event.event_id))
    with pytest.raises(AppendConflictError):
        world.ledger.append([event], condition)


def test_what_is_hidden_is_not_refused_for() -> None:
    """Whatever others record and hide, an organisation is answered as if it were not there."""
    answers = []
    for hidden in (False, True):
        world = World(secretive=("mover.example",))
        world.do("commission", at=1, things=[A, B])
        if hidden:
            world.record("commission", 0, C, PALLET, A, by="mover.example")
            world.record("put", 2, TOTE, A, PALLET, by="mover.example")
            world.record("end", 3, B, by="mover.example")
        told = []
        for name, members in (
            ("commission", {"things": [C]}),
            ("pack", {"at": 4, "parent": PALLET, "children": [A, B]}),
            ("pack", {"at": 5, "parent": PALLET, "children": [A]}),
            ("unpack", {"at": 5, "parent": TOTE}),
            ("decommission", {"at": 6, "things": [PALLET, pack("X")]}),
        ):
            try:
                world.do(name, **members)
                told.append("done")
            except ConflictError as error:
                told.append(error.message)
        answers.append(told)
    assert answers[0] == answers[1]
    assert "done" in answers[0]


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("commission", {}),
        ("commission", {"things": ["https://id.gs1.org/01/09521234000014/21/1"]}),
        ("commission", {"serials": ["1"]}),
        ("commission", {"gtin": "9521234000013", "ranges": [{"first": "1", "last": "200000"}]}),
        ("commission", {"things": [MILK]}),
        ("commission", {"quantities": [{"id": A, "quantity": 1}]}),
        ("commission", {"quantities": [{"id": MILK, "quantity": 0}]}),
        ("commission", {"quantities": [{"id": MILK, "quantity": 1, "uom": "kg"}]}),
        ("observe", {"things": []}),
        ("pack", {"parent": PALLET}),
        ("pack", {"parent": PALLET, "children": [A], "event_time": "2026-03-01T00:00:00"}),
        ("pack", {"parent": PALLET, "children": [A], "surprise": 1}),
        ("transform", {"inputs": [A]}),
    ],
)
def test_malformed_bodies_are_told_by_their_form(name: str, members: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        COMMANDS[name].model_validate(members)


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"gtin": "9521234000014", "serials": ["1"]}, "gs1.check_digit"),
        ({"gtin": "9521234000013", "serials": ["é"]}, "gs1.character"),
        ({"things": [A], "event_time": "2199-01-01T00:00:00Z"}, "command.time"),
        ({"things": [A], "event_time": "0001-01-01T00:00:00+14:00"}, "command.time"),
        ({"things": [A, A]}, "command.event"),
        ({"things": [A], "transactions": [{"type": "nonsense", "id": "urn:x:y"}]}, "command.event"),
    ],
)
def test_what_makes_no_event_is_told_by_a_code(world: World, members: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidInputError) as told:
        world.do("commission", **members)
    assert told.value.code == code
    assert world.ledger.head() == 0


def rows_of(heading: str) -> dict[str, tuple[str, ...]]:
    guide = Path(__file__).parents[2] / "docs" / "guide" / "commands.md"
    table = guide.read_text().partition(f"{heading}\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]
    return {name.strip("`"): tuple(cells) for name, *cells in rows}


def test_the_guide_lists_every_command_and_rule() -> None:
    assert rows_of("| command | records | may be refused for |") == {
        name: (command.emits, ", ".join(f"`{rule}`" for rule in command.rules)) for name, command in COMMANDS.items()
    }
    assert rows_of("| rule | requires | remedy |") == {rule.value: meaning for rule, meaning in MEANINGS.items()}
