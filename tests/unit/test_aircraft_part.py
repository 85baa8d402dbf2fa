"""An aircraft part is the same in every order of arrival, and its life has no gaps that are not told."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.provenance import MemoryProvenance
from tests.support.happenings import MAKER, Decided, Happening, attach, commission, end, hours, observe
from tests.support.parts import (
    AIRCRAFT,
    ENGINE,
    OTHER_ENGINE,
    PUMP,
    Said,
    flew,
    installed,
    limited,
    released,
    removed,
    repaired,
    seen,
    signature,
    worlds,
)
from tests.support.register import OPERATOR, stated
from tests.support.stories import NEW_PUMP, PARTIES, PUBLIC_READER, REMOVED_PUMP, records
from tests.support.worlds import THINGS as ANYTHING
from tests.support.worlds import worlds as any_worlds
from traceability.errors import NotFoundError
from traceability.gs1.epcis import index_rows
from traceability.ledger.access import Reader
from traceability.ledger.register.register import Register
from traceability.ledger.register.statements import LicenceGranted, RuleSet
from traceability.supply_chain.aircraft_part.certificates import Verdict, check
from traceability.supply_chain.aircraft_part.events import ReleaseStatus
from traceability.supply_chain.aircraft_part.part import AircraftPart
from traceability.supply_chain.aircraft_part.reading import aircraft_part
from traceability.supply_chain.aircraft_part.terms import MEANINGS, SUSPECTED, Code, Gap, Lack, Stage, Where
from traceability.supply_chain.decisions import HoldPlaced
from traceability.supply_chain.entry import ClaimReason
from traceability.supply_chain.parties import ListedParties
from traceability.supply_chain.seen import thing_of

BORN = commission(0, PUMP), released(1)
NAMED = Reader(MAKER, frozenset({MAKER}))
"""Sees what names it, too."""


def codes(part: AircraftPart) -> list[Code]:
    return [one.code for one in part.irregularities]


def wheres(part: AircraftPart) -> list[tuple[Where, Gap | None]]:
    return [(one.where, one.gap) for one in part.stretches]


@given(worlds, st.integers(0), st.integers(0, 9))
def test_it_is_the_same_in_any_order_of_arrival(world: list[Said], seed: int, at: int) -> None:
    # What says the same is the same, wherever it was recorded.
    ids = [world.index(one) for one in world]
    order = list(range(len(world)))
    Random(seed).shuffle(order)
    try:
        found = signature(seen(*world, at=at), ids)
    except NotFoundError:
        with pytest.raises(NotFoundError):
            seen(*(world[place] for place in order), at=at)
        return
    assert signature(seen(*(world[place] for place in order), at=at), [ids[place] for place in order]) == found


@given(any_worlds(), st.sampled_from(ANYTHING))
def test_it_is_told_of_whatever_was_recorded(world: list[Happening], thing: str) -> None:
    with suppress(NotFoundError):
        part = seen(*world, part=thing_of(thing))
        assert [one.until for one in part.stretches[:-1]] == [one.since for one in part.stretches[1:]]


@given(worlds)
def test_its_life_is_split_without_gaps_and_every_use_belongs_to_one_installation(world: list[Said]) -> None:
    try:
        part = seen(*world)
    except NotFoundError:
        return
    for before, after in zip(part.stretches, part.stretches[1:], strict=False):
        assert before.until == after.since is not None
        assert before.since is None or after.since is None or before.since < after.since
    over = part.stage in (Stage.SCRAPPED, Stage.EXPORTED)
    assert part.stretches == () or (part.stretches[-1].until is not None) is over
    assert all(one.documents or one.gap is Gap.NO_BIRTH for one in part.stretches)
    life = part.life
    by_installation = [life.on(on) for on in {use.on for use in life.uses}]
    assert (life.cycles, life.minutes) == (sum(c for c, _ in by_installation), sum(m for _, m in by_installation))
    assert len({use.position for use in life.uses}) == len(life.uses)


_hour = st.integers(0, 6)
_hourly = st.lists(
    st.tuples(st.sampled_from([PUMP, ENGINE, OTHER_ENGINE, AIRCRAFT]), _hour, st.integers(0, 5)),
    max_size=10,
    unique_by=lambda one: one[:2],
)
_moves = st.lists(
    st.tuples(_hour, st.booleans(), st.sampled_from([(PUMP, ENGINE), (PUMP, OTHER_ENGINE), (ENGINE, AIRCRAFT)])),
    max_size=8,
    unique_by=lambda one: one[0],
)


def reckoned(hour: int, moves: list[tuple[int, bool, tuple[str, str]]], hourly: dict[tuple[str, int], int]) -> int:
    """Return the cycles of a pump in an hour: those of the nearest thing of which they are told."""
    ties: set[tuple[str, str]] = set()
    for at, on, tie in sorted(moves):
        if at <= hour:
            ties = ties | {tie} if on else ties - {tie}
    level = {PUMP}
    while level:
        told = [hourly[thing, hour] for thing in level if (thing, hour) in hourly]
        if told:
            return sum(told)
        level = {parent for child, parent in ties if child in level}
    return 0


@given(_hourly, _moves)
def test_used_life_is_what_was_flown_hour_by_hour(
    hourly: list[tuple[str, int, int]], moves: list[tuple[int, bool, tuple[str, str]]]
) -> None:
    said = [flew(10, thing, hour, hour + 1, cycles=cycles) for thing, hour, cycles in hourly]
    ties = [(installed if on else removed)(at, parent, child) for at, on, (child, parent) in moves]
    told = {(thing, hour): cycles for thing, hour, cycles in hourly}
    life = seen(commission(-1, PUMP), *ties, *said).life
    assert life.cycles == sum(reckoned(hour, moves, told) for hour in range(7))
    assert not any(use.straddles for use in life.uses)


@given(worlds, st.integers(0, 3), st.integers(0, 3))
def test_a_correction_is_as_if_only_it_had_been_said(world: list[Said], wrong: int, right: int) -> None:
    said, corrected = (flew(at, ENGINE, 2, 4, cycles=cycles) for at, cycles in ((20, wrong), (21, right)))
    base = [commission(0, PUMP), *world]
    only, both = seen(*base, corrected).life, seen(*base, corrected, said).life
    assert (only.cycles, only.minutes, only.unaccounted) == (both.cycles, both.minutes, both.unaccounted)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_what_is_used_never_grows_less(cycles: list[int]) -> None:
    said = [flew(hour + 3, ENGINE, hour + 2, hour + 3, cycles=count) for hour, count in enumerate(cycles)]
    told = [seen(*BORN, installed(2, ENGINE), *said, at=hour + 2).life.cycles for hour in range(len(cycles) + 1)]
    assert told == sorted(told)
    assert told[-1] == sum(cycles)


def test_a_part_goes_from_stage_to_stage() -> None:
    happenings: list[Said] = [
        commission(0, PUMP),
        released(1),
        installed(2, ENGINE, place="left"),
        removed(3, ENGINE, reason="fuel leak"),
        repaired(4),
        released(5, number="ARC-2", status=ReleaseStatus.REPAIRED),
        installed(6, OTHER_ENGINE),
        removed(7, OTHER_ENGINE),
        end(8, PUMP, step="destroying"),
    ]
    parts = [seen(*happenings[: count + 1]) for count in range(len(happenings))]
    stages = "manufactured released installed removed in_shop released installed removed scrapped"
    assert [part.stage for part in parts] == stages.split()
    assert [part.lacks for part in parts[:4]] == [(Lack.NOT_RELEASED,), (), (), (Lack.NOT_RELEASED,)]
    assert (parts[2].place, parts[3].place, parts[3].removed_because) == ("left", None, "fuel leak")
    last = parts[-1]
    assert codes(last) == []
    assert last.lacks == (Lack.OVER,)
    expected = [Where.STORED, Where.INSTALLED, Where.STORED, Where.SHOP, Where.STORED, Where.INSTALLED, Where.STORED]
    assert wheres(last) == [(where, None) for where in expected]
    assert [one.documents for one in last.stretches] == [(1, 2), (3, 2), (4,), (5,), (6,), (7, 6), (8,)]
    assert (last.stretches[0].since, last.stretches[-1].until) == (hours(0), hours(8))


def test_an_exported_part_is_not_ours_any_more() -> None:
    part = seen(*BORN, observe(2, PUMP, step="https://maker.example/steps/exporting"), installed(3, ENGINE))
    assert (part.stage, codes(part)) == (Stage.EXPORTED, [Code.AFTER_THE_END])


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([commission(0, PUMP), installed(2, ENGINE)], Code.NOT_RELEASED),
        ([*BORN, installed(2, ENGINE), removed(3, ENGINE), installed(4, ENGINE)], Code.NOT_RELEASED),
        ([*BORN, repaired(2), installed(3, ENGINE)], Code.NOT_RELEASED),
        ([commission(0, PUMP), released(1, status=ReleaseStatus.PROTOTYPE), installed(2, ENGINE)], Code.NOT_RELEASED),
        ([*BORN, installed(2, ENGINE), installed(3, OTHER_ENGINE)], Code.INSTALLED_TWICE),
        ([*BORN, installed(2, ENGINE), installed(3, ENGINE)], Code.INSTALLED_TWICE),
        ([*BORN, removed(2, ENGINE)], Code.NOT_INSTALLED),
        ([*BORN, installed(2, ENGINE), removed(3, AIRCRAFT)], Code.NOT_INSTALLED),
        ([*BORN, installed(2, ENGINE), removed(3, ENGINE), removed(4, ENGINE)], Code.NOT_INSTALLED),
        ([*BORN, installed(2, ENGINE), released(3, number="ARC-2")], Code.RELEASED_WHILE_INSTALLED),
        ([*BORN, released(2, document="b")], Code.ANOTHER_DOCUMENT),
        ([*BORN, limited(1, cycles=3), flew(2, PUMP, 0, 2, cycles=3), installed(3, ENGINE)], Code.NO_LIFE_LEFT),
        ([*BORN, limited(1, cycles=3), flew(9, PUMP, 0, 4, cycles=3), installed(3, ENGINE)], Code.NO_LIFE_LEFT),
        ([*BORN, end(2, PUMP), released(3, number="ARC-2")], Code.AFTER_THE_END),
        ([*BORN, installed(2, ENGINE), flew(9, ENGINE, 2, 5), flew(9, ENGINE, 4, 6)], Code.USED_TWICE),
        ([*BORN, installed(2, ENGINE), flew(9, ENGINE, 1, 5)], Code.STRADDLES),
    ],
)
def test_what_breaks_a_rule_is_told_and_happened_all_the_same(said: list[Said], code: Code) -> None:
    part = seen(*said)
    assert codes(part) == [code]
    assert part.irregularities[0].position in (len(said), len(said) - 1)


def test_every_rule_has_a_sentence() -> None:
    assert MEANINGS.keys() == set(Code)


def test_without_a_birth_or_a_release_there_is_a_gap_and_with_a_gap_it_is_not_serviceable() -> None:
    unborn = seen(released(1), installed(2, ENGINE))
    assert wheres(unborn)[0] == (Where.UNKNOWN, Gap.NO_BIRTH)
    assert unborn.stretches[0].since is None
    assert unborn.lacks == (Lack.GAP,)
    unreleased = seen(commission(0, PUMP), installed(2, ENGINE), removed(3, ENGINE), released(4))
    assert wheres(unreleased)[1] == (Where.INSTALLED, Gap.NO_RELEASE)
    assert unreleased.lacks == (Lack.GAP,)


def test_what_was_removed_from_somewhere_was_there_for_nobody_knows_how_long() -> None:
    part = seen(*BORN, limited(1, cycles=9), removed(4, ENGINE, reason="worn"), released(5, number="ARC-2"))
    assert wheres(part) == [(Where.STORED, Gap.NO_INSTALLATION), (Where.STORED, None)]
    assert (part.lacks, part.life_is_proven, part.removed_because) == ((Lack.GAP,), False, "worn")
    # That two events tell of one removal is none, nor that it is told again later.
    once = seen(*BORN, installed(2, ENGINE), removed(3, ENGINE))
    both_twice = (
        installed(2, ENGINE),
        installed(2, ENGINE, place="left"),
        removed(3, ENGINE),
        removed(3, ENGINE, reason="worn"),
    )
    for twice in (seen(*BORN, *both_twice), seen(*BORN, *both_twice, removed(4, ENGINE))):
        assert wheres(twice) == wheres(once)
    assert codes(seen(*BORN, *both_twice)) == []


def test_installed_time_of_which_nobody_tells_is_a_gap_of_a_part_with_a_limit() -> None:
    on = *BORN, installed(2, ENGINE), flew(4, ENGINE, 2, 4, cycles=2)
    assert wheres(seen(*on, limited(1, cycles=9)))[-1] == (Where.INSTALLED, None)  # the last stretch is told later
    off = *on, removed(8, ENGINE), flew(9, ENGINE, 6, 8, cycles=1)
    part = seen(*off, limited(1, cycles=9))
    assert [(one.first, one.last) for one in part.life.unaccounted] == [(hours(4), hours(6) - 1)]
    assert wheres(part)[1] == (Where.INSTALLED, Gap.NO_UTILISATION)
    assert not part.life_is_proven
    assert wheres(seen(*off))[1] == (Where.INSTALLED, None)
    assert seen(*off, flew(10, ENGINE, 4, 6), limited(1, cycles=9)).life_is_proven


def test_an_engine_on_the_shelf_flies_with_nobody() -> None:
    told = *BORN, installed(2, ENGINE), installed(3, AIRCRAFT, ENGINE), removed(5, AIRCRAFT, ENGINE), removed(7, ENGINE)
    part = seen(*told, flew(8, AIRCRAFT, 3, 5, cycles=4, minutes=90), limited(1, minutes=100))
    assert (part.life.cycles, part.life.minutes, part.life.unaccounted) == (4, 90, ())
    (left,) = part.life.limits
    assert (left.minutes_left, left.cycles_left) == (10, None)


def test_what_empties_an_aircraft_takes_its_engine_off() -> None:
    told = *BORN, installed(2, ENGINE), installed(3, AIRCRAFT, ENGINE), attach(5, AIRCRAFT, action="DELETE")
    assert seen(*told, flew(9, AIRCRAFT, 6, 8, cycles=4)).life.cycles == 0


def test_what_is_told_of_the_nearer_goes_before_the_farther() -> None:
    told = *BORN, installed(2, ENGINE), installed(2, AIRCRAFT, ENGINE)
    aircraft = flew(9, AIRCRAFT, 2, 6, cycles=10)
    assert seen(*told, aircraft).life.cycles == 10
    assert seen(*told, aircraft, flew(9, ENGINE, 2, 6, cycles=7)).life.cycles == 7
    # Of a part of the time: rather too much than too little.
    both = seen(*told, aircraft, flew(9, ENGINE, 2, 4, cycles=7))
    assert (both.life.cycles, codes(both)) == (17, [Code.USED_TWICE])


def test_what_straddles_counts_whole_for_both_and_once_for_each() -> None:
    month = flew(9, ENGINE, 2, 8, cycles=6)
    out_and_in = installed(2, ENGINE), removed(4, ENGINE), released(5, number="ARC-2"), installed(5, ENGINE)
    life = seen(*BORN, *out_and_in, month).life
    assert (life.cycles, life.on(3), life.on(6)) == (6, (6, 0), (0, 0))  # to the first installation
    other = "https://id.gs1.org/01/09521301007013/21/KF-20988"
    swapped = installed(2, ENGINE), removed(4, ENGINE), commission(0, other), installed(4, ENGINE, other), month
    assert [seen(*BORN, *swapped, part=part).life.cycles for part in (PUMP, other)] == [6, 6]


def test_a_limit_holds_from_when_it_is_set() -> None:
    told = *BORN, limited(1, cycles=9), flew(2, PUMP, 1, 2, cycles=5), installed(3, ENGINE)
    assert codes(seen(*told, limited(4, cycles=5))) == []
    assert codes(seen(*told, limited(2.5, cycles=5))) == [Code.NO_LIFE_LEFT]
    assert seen(*told, limited(4, cycles=5)).lacks == (Lack.LIFE_EXPIRED,)


def test_the_last_word_on_a_limit_counts() -> None:
    told = *BORN, limited(1, cycles=10), limited(2, cycles=5), limited(1, name="hot", minutes=60)
    part = seen(*told, flew(3, PUMP, 1, 2, cycles=5, minutes=30))
    assert [(one.limit, one.cycles_left, one.minutes_left) for one in part.life.limits] == [
        ("LLP", 0, None),
        ("hot", None, 30),
    ]
    assert part.lacks == (Lack.LIFE_EXPIRED,)


def test_what_somebody_else_says_of_a_part_is_a_claim_and_counts_for_nothing() -> None:
    rival = released(1, by="rival.example", to=["maker.example"])
    limit = limited(1, by="rival.example", to=["maker.example"], cycles=1)
    part = seen(commission(0, PUMP), rival, limit, reader=NAMED)
    assert (part.stage, part.life.limits) == (Stage.MANUFACTURED, ())
    assert len(part.certificates) == 1


def test_only_who_is_approved_releases_where_the_register_asks_for_it() -> None:
    approved = LicenceGranted(
        organisation=MAKER, kind="part_145", number="UK.145.00001", issuer="CAA", since=hours(0), until=hours(5)
    )
    rule = RuleSet(action="part_released", licences=("part_145",), since=hours(0))
    register = Register([stated(one, position=n) for n, one in enumerate((rule, approved), 1)], OPERATOR)
    parties = ListedParties({}, register)
    assert seen(*BORN, parties=parties).stage is Stage.RELEASED
    late = seen(commission(0, PUMP), released(6), parties=parties)
    assert (late.stage, [one.claim for one in late.certificates]) == (
        Stage.MANUFACTURED,
        [ClaimReason.NOT_AUTHORISED],
    )


def test_the_pumps_of_the_demo_lack_their_papers() -> None:
    index = MemoryProvenance(records(), reader=PUBLIC_READER, indexer=index_rows)
    removed_, new = (aircraft_part(index, f"https://id.gs1.org{path}", PARTIES)[0] for path in (REMOVED_PUMP, NEW_PUMP))
    assert (removed_.stage, new.stage) == (Stage.IN_SHOP, Stage.INSTALLED)
    for part in (removed_, new):
        assert Gap.NO_RELEASE in [one.gap for one in part.stretches]
        assert {Lack.NOT_RELEASED, Lack.GAP} <= set(part.lacks)


def test_a_suspected_part_is_quarantined() -> None:
    hold = HoldPlaced(things=(PUMP,), hold="H1", kind=SUSPECTED, reason="the certificate names nobody")
    assert seen(*BORN, Decided(2, hold)).lacks == (Lack.SUSPECTED, Lack.HELD)


def test_a_document_is_judged_by_its_digest() -> None:
    claim = released(2, number="ARC-2", document="b", by="rival.example", to=["maker.example"])
    recorded = seen(*BORN, claim, reader=NAMED).certificates
    assert [one.claim for one in recorded] == [None, ClaimReason.NO_AUTHORITY]
    asked = {
        Verdict.RECORDED: ("a", "ARC-1"),
        Verdict.CLAIMED: ("b", "ARC-2"),
        Verdict.ANOTHER_DOCUMENT: ("c", "ARC-1"),
        Verdict.NO_RECORD: ("c", "ARC-2"),  # a claim is nothing to hold a document against
    }
    for verdict, (document, number) in asked.items():
        assert check(recorded, document * 64, number)[0] is verdict
    assert check(recorded, "c" * 64)[0] is Verdict.NO_RECORD


def test_assemblies_on_each_other_end_somewhere() -> None:
    told = *BORN, installed(2, ENGINE), installed(3, OTHER_ENGINE, ENGINE), installed(4, ENGINE, OTHER_ENGINE)
    assert seen(*told, flew(9, OTHER_ENGINE, 3, 5, cycles=2)).life.cycles == 2
