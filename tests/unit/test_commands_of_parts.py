"""Commands about aircraft parts: what the guards refuse, now and for the past, and what they record."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.desks import World
from tests.support.happenings import STRANGERS, hours
from tests.support.parts import AIRCRAFT, ENGINE, OTHER_ENGINE, PUMP
from traceability.errors import InvalidInputError
from traceability.ledger.event import utc_text
from traceability.supply_chain.aircraft_part.part import AircraftPart
from traceability.supply_chain.aircraft_part.reading import aircraft_part
from traceability.supply_chain.aircraft_part.terms import POSITION, Code, Stage
from traceability.supply_chain.commands.refusal import CommandRefusedError

OTHER_PUMP = "https://id.gs1.org/01/09521301007013/21/KF-20988"
CERTIFICATE: dict[str, Any] = {
    "form": "EASA Form 1",
    "tracking_number": "ARC-1",
    "status": "new",
    "approval": "UK.145.00001",
    "document": "a" * 64,
}


@pytest.fixture
def world() -> World:
    return made()


def made() -> World:
    """Return a ledger with two pumps, of which one is released, two engines and an aircraft."""
    world = World()
    world.do("commission", at=0, things=[PUMP, ENGINE, OTHER_ENGINE, AIRCRAFT])
    world.do("commission", at=0, things=[OTHER_PUMP])
    world.do("release_part", at=1, things=[PUMP], **CERTIFICATE)
    return world


def again(number: str) -> dict[str, Any]:
    return {**CERTIFICATE, "tracking_number": number, "status": "repaired"}


def seen(world: World, part: str = PUMP) -> AircraftPart:
    return aircraft_part(world.view("maker.example"), part, STRANGERS)[0]


def flown(since: float, until: float, **more: Any) -> dict[str, Any]:
    return {"since": utc_text(hours(since)), "until": utc_text(hours(until)), "minutes": 0, **more}


def test_a_pump_is_released_installed_flown_removed_repaired_and_scrapped(world: World) -> None:
    world.do("set_part_limit", at=1, things=[PUMP], limit="LLP", cycles=10, source="CMM 73-11-01")
    world.do("install_part", at=2, part=PUMP, on=ENGINE, position="left")
    assert (seen(world).stage, seen(world).place) == (Stage.INSTALLED, "left")
    world.do("state_utilisation", at=4, things=[ENGINE], **flown(2, 4, cycles=6))
    world.do("remove_part", at=4, part=PUMP, on=ENGINE, reason="fuel leak")
    assert seen(world).removed_because == "fuel leak"
    world.do("observe", at=5, things=[PUMP], biz_step="repairing")
    world.do("release_part", at=6, things=[PUMP], **again("ARC-2"))
    world.do("install_part", at=7, part=PUMP, on=OTHER_ENGINE)
    world.do("state_utilisation", at=9, things=[OTHER_ENGINE], **flown(7, 9, cycles=3))
    world.do("state_utilisation", at=10, things=[OTHER_ENGINE], **flown(7, 9, cycles=2))
    assert (seen(world).life.cycles, seen(world).irregularities) == (8, ())
    world.do("remove_part", at=11, part=PUMP, on=OTHER_ENGINE)
    world.do("scrap_part", at=12, things=[PUMP])
    assert seen(world).stage is Stage.SCRAPPED
    assert world.rules("install_part", at=13, part=PUMP, on=ENGINE)[0] == "ended"


def test_only_what_was_released_since_is_installed(world: World) -> None:
    assert world.rules("install_part", at=2, part=OTHER_PUMP, on=ENGINE) == ["not_released"]
    world.do("install_part", at=2, part=PUMP, on=ENGINE)
    world.do("remove_part", at=3, part=PUMP, on=ENGINE)
    assert world.rules("install_part", at=4, part=PUMP, on=ENGINE) == ["not_released"]
    world.do("release_part", at=4, things=[PUMP], **again("ARC-2"))
    world.do("install_part", at=5, part=PUMP, on=ENGINE)


def test_a_part_is_in_one_place_and_a_place_has_one_part(world: World) -> None:
    world.do("release_part", at=1, things=[OTHER_PUMP], **again("ARC-3"))
    world.do("install_part", at=4, part=PUMP, on=ENGINE, position="left")
    assert world.rules("install_part", at=5, part=PUMP, on=OTHER_ENGINE) == ["installed"]
    assert world.rules("install_part", at=5, part=OTHER_PUMP, on=ENGINE, position="left") == ["position_taken"]
    # What came later holds for the past too.
    assert world.rules("install_part", at=3, part=PUMP, on=OTHER_ENGINE) == ["installed"]
    assert world.rules("install_part", at=3, part=OTHER_PUMP, on=ENGINE, position="left") == ["position_taken"]
    world.do("install_part", at=5, part=OTHER_PUMP, on=ENGINE, position="right")
    assert world.rules("install_part", at=3.5, part=OTHER_PUMP, on=ENGINE, position="right") == ["installed"]
    assert world.rules("release_part", at=6, things=[PUMP], **again("ARC-4")) == ["installed"]
    assert world.rules("scrap_part", at=6, things=[PUMP]) == ["installed"]
    assert world.rules("remove_part", at=6, part=PUMP, on=AIRCRAFT) == ["not_installed"]
    world.do("remove_part", at=7, part=PUMP, on=ENGINE)
    assert world.rules("remove_part", at=6, part=PUMP, on=ENGINE) == ["not_installed"]


def test_life_must_be_left_and_proven(world: World) -> None:
    world.do("set_part_limit", at=1, things=[PUMP], limit="LLP", cycles=5, source="CMM")
    world.do("install_part", at=2, part=PUMP, on=ENGINE)
    world.do("remove_part", at=6, part=PUMP, on=ENGINE)
    world.do("release_part", at=7, things=[PUMP], **again("ARC-2"))
    assert world.rules("install_part", at=8, part=PUMP, on=ENGINE) == ["life_not_proven"]
    world.do("state_utilisation", at=7, things=[ENGINE], **flown(2, 6, cycles=4))
    world.do("install_part", at=8, part=PUMP, on=ENGINE)
    world.do("remove_part", at=9, part=PUMP, on=ENGINE)
    world.do("release_part", at=10, things=[PUMP], **again("ARC-3"))
    world.do("state_utilisation", at=10, things=[ENGINE], **flown(8, 9, cycles=1))
    assert world.rules("install_part", at=11, part=PUMP, on=ENGINE) == ["no_life_left"]


def test_a_place_is_free_again_and_a_gap_of_later_is_none_of_before(world: World) -> None:
    world.do("set_part_limit", at=1, things=[PUMP], limit="LLP", cycles=5, source="CMM")
    world.do("release_part", at=1, things=[OTHER_PUMP], **again("ARC-3"))
    world.do("install_part", at=4, part=PUMP, on=ENGINE, position="left")
    world.do("remove_part", at=6, part=PUMP, on=ENGINE)
    assert world.rules("install_part", at=2, part=PUMP, on=OTHER_ENGINE) == ["installed"]
    world.do("install_part", at=6, part=OTHER_PUMP, on=ENGINE, position="left")


def test_what_is_under_way_is_not_installed(world: World) -> None:
    world.do("ship", at=2, things=[PUMP], to="https://id.gs1.org/417/9521234000037")
    assert world.rules("install_part", at=3, part=PUMP, on=ENGINE) == ["under_way"]


def test_who_is_named_sees_a_utilisation(world: World) -> None:
    world.do("install_part", at=2, part=PUMP, on=ENGINE)
    world.do("state_utilisation", at=4, things=[ENGINE], **flown(2, 3, cycles=6))
    world.do("state_utilisation", at=5, things=[ENGINE], to=["store.example"], **flown(3, 5, cycles=1))
    told = aircraft_part(world.view("store.example"), PUMP, STRANGERS)[0]
    assert (told.life.cycles, seen(world).life.cycles) == (1, 7)


def test_what_others_claim_keeps_nobody_from_anything(world: World) -> None:
    world.record("attach", 1, ENGINE, OTHER_PUMP, by="store.example", more={POSITION: "left"})
    world.record("attach", 1, AIRCRAFT, PUMP, by="store.example")
    world.do("install_part", at=2, part=PUMP, on=ENGINE, position="left")
    world.do("scrap_part", at=3, things=[OTHER_PUMP])


def test_what_is_suspected_is_not_installed_but_removed(world: World) -> None:
    world.do("install_part", at=2, part=PUMP, on=ENGINE)
    world.do("place_hold", at=3, things=[PUMP], kind="suspected_unapproved", reason="unknown issuer", hold="H")
    world.do("remove_part", at=4, part=PUMP, on=ENGINE)
    world.do("release_part", at=5, things=[PUMP], **again("ARC-2"))
    assert world.rules("install_part", at=6, part=PUMP, on=ENGINE) == ["held"]
    world.do("release_hold", at=7, things=[PUMP], hold="H")
    world.do("install_part", at=8, part=PUMP, on=ENGINE)


def test_a_certificate_is_one_document(world: World) -> None:
    other = {**CERTIFICATE, "document": "b" * 64}
    assert world.rules("release_part", at=2, things=[PUMP], **other) == ["another_document"]


def test_utilisation_is_of_the_past_and_of_a_time_of_its_own(world: World) -> None:
    world.do("state_utilisation", at=4, things=[ENGINE], **flown(2, 4, cycles=6))
    assert world.rules("state_utilisation", at=5, things=[ENGINE], **flown(3, 5, cycles=1)) == ["used_twice"]
    world.do("state_utilisation", at=5, things=[ENGINE], **flown(2, 4, cycles=5))
    for since, until in ((4, 7), (5, 4)):
        with pytest.raises(InvalidInputError) as told:
            world.do("state_utilisation", at=6, things=[ENGINE], **flown(since, until, cycles=1))
        assert told.value.code == "command.time"
    early = {**flown(2, 4, cycles=1), "since": "0001-01-01T00:00:00+14:00"}
    with pytest.raises(InvalidInputError) as told:
        world.do("state_utilisation", at=6, things=[ENGINE], **early)
    assert told.value.code == "command.time"


def test_who_has_the_part_installs_it_and_strangers_release_nothing(world: World) -> None:
    rules = world.rules("install_part", at=2, by="store.example", part=PUMP, on=ENGINE)
    assert {"not_custodian", "no_authority"} <= set(rules)
    assert "no_authority" in world.rules("release_part", at=2, by="store.example", things=[PUMP], **again("ARC-9"))
    assert world.rules("release_part", at=2, things=[f"{PUMP}0"], **again("ARC-9")) == ["unknown"]


_pumps, _assemblies = st.sampled_from([PUMP, OTHER_PUMP]), st.sampled_from([ENGINE, OTHER_ENGINE])
_hour = st.integers(2, 9)


_Asked = tuple[str, float, dict[str, Any]]


@st.composite
def _asked(draw: st.DrawFn) -> _Asked:
    part, on, at, count = draw(_pumps), draw(_assemblies), draw(_hour), draw(st.integers(0, 4))
    bodies: dict[str, dict[str, Any]] = {
        "install_part": {"part": part, "on": on, "position": draw(st.sampled_from([None, "left"]))},
        "remove_part": {"part": part, "on": on},
        "release_part": {"things": [part], **again(f"ARC-{count}")},
        "observe": {"things": [part], "biz_step": "repairing"},
        "state_utilisation": {"things": [on], **flown(at - 1, at, cycles=count)},
        "set_part_limit": {"things": [part], "limit": "LLP", "cycles": 2 * count, "source": "CMM"},
        "scrap_part": {"things": [part]},
    }
    name = draw(st.sampled_from([*bodies, "install_part", "install_part"]))
    return name, at, bodies[name]


@settings(max_examples=60)
@given(st.lists(_asked(), max_size=9))
def test_what_the_guards_let_pass_is_never_irregular(asked: list[_Asked]) -> None:
    """But for limits and utilisation that are stated of the past, and work that is only observed."""
    world = made()
    for name, at, members in asked:
        with suppress(CommandRefusedError):
            world.do(name, at=at, **members)
    told = {one.code for part in (PUMP, OTHER_PUMP) for one in seen(world, part).irregularities}
    assert told <= {Code.NO_LIFE_LEFT, Code.NOT_RELEASED, Code.STRADDLES}
    statements = {name for name, _, _ in asked}
    assert Code.NO_LIFE_LEFT not in told or statements & {"set_part_limit", "state_utilisation"}
    assert Code.NOT_RELEASED not in told or "observe" in statements
