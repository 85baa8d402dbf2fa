"""A recall case is the same in every order of arrival; what breaks a rule is a claim and moves nothing."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.recalls import (
    CASE,
    OPENED,
    OPENER,
    RECONCILED,
    ROOT,
    SCOPED,
    SHOP,
    STORE,
    THINGS,
    NaiveCase,
    acknowledged,
    notified,
    said,
    story,
    worlds,
)
from traceability.gs1.epcis import index_rows
from traceability.ledger.access import Grant, Reader
from traceability.ledger.event import decision_event
from traceability.supply_chain.recall.case import MEANINGS, ClaimReason, RecallCase, Stage, case_of, claim_reason
from traceability.supply_chain.recall.events import (
    THINGS_OF_A_NOTICE,
    Outcome,
    Payload,
    RecallCancelled,
    RecallClosed,
    Said,
    notices,
    said_in,
)
from traceability.supply_chain.recall.reconciling import Came, Fate, added_up
from traceability.supply_chain.recall.scope import Affected

CLOSED = RecallClosed(case=CASE, reconciled=True)


def case(*told: tuple[Payload, str] | Payload) -> RecallCase:
    found = case_of(story(*told))
    assert found is not None
    return found


@given(worlds, st.integers(0))
def test_it_is_as_the_rules_say_in_any_order_of_arrival(world: list[Said], seed: int) -> None:
    shuffled = list(world)
    Random(seed).shuffle(shuffled)
    arrived = [replace(one, position=n, event_id=UUID(int=n)) for n, one in enumerate(shuffled, 1)]
    naive, found, again = NaiveCase(world), case_of(world), case_of(arrived)
    if found is None:
        assert naive.opener is None
        assert again is None
        return
    assert again is not None
    assert (again.opened_by, again.about, again.stage) == (found.opened_by, found.about, found.stage)
    assert [one.digest for one in again.said] == [one.digest for one in found.said]
    assert [(one.said.digest, one.reason) for one in again.claims] == [
        (one.said.digest, one.reason) for one in found.claims
    ]
    assert (found.opened_by, found.stage) == (naive.opener, naive.stage())
    assert list(found.said) == naive.counting()
    assert len(found.said) + len(found.claims) == len(world)


@given(worlds, st.integers(0, 14))
def test_what_is_refused_is_what_would_be_a_claim(world: list[Said], place: int) -> None:
    draft = said(RECONCILED, at=place, position=99)
    found = case_of([*world, draft])
    claims = [] if found is None else [claim.reason for claim in found.claims if claim.said is draft]
    assert claim_reason(world, draft) == (ClaimReason.NOT_OPENED if found is None else next(iter(claims), None))


def test_a_case_goes_from_stage_to_stage() -> None:
    told: list[tuple[Payload, str] | Payload] = []
    stages = []
    for one in (
        OPENED,
        SCOPED,
        notified(SHOP, *THINGS),
        notified(STORE, THINGS[0]),
        (acknowledged(SHOP, *THINGS), SHOP),
        (acknowledged(STORE), STORE),
        RECONCILED,
        CLOSED,
    ):
        told.append(one)
        stages.append(case(*told).stage)
    expected = "opened scoped notified notified notified acknowledged reconciled closed"
    assert stages == expected.split()
    assert case(*told).claims == ()


def test_a_new_scope_or_notice_undoes_the_sum() -> None:
    base = (OPENED, SCOPED, notified(SHOP, THINGS[0]), (acknowledged(SHOP, THINGS[0]), SHOP), RECONCILED)
    assert case(*base, SCOPED).stage is Stage.ACKNOWLEDGED
    assert case(*base, notified(STORE, THINGS[1])).stage is Stage.NOTIFIED
    assert [claim.reason for claim in case(*base, SCOPED, CLOSED).claims] == [ClaimReason.NOT_RECONCILED]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (ClaimReason.NOT_ITS_OPENER, [OPENED, (SCOPED, SHOP)]),
        (ClaimReason.OPENED_BEFORE, [OPENED, OPENED]),
        (ClaimReason.NOT_OPENED, [SCOPED, OPENED]),
        (ClaimReason.NOT_SCOPED, [OPENED, RECONCILED]),
        (ClaimReason.NOT_NOTIFIED, [OPENED, SCOPED, (acknowledged(SHOP), SHOP)]),
        (ClaimReason.NOT_NOTIFIED, [OPENED, SCOPED, notified(SHOP, THINGS[0]), (acknowledged(SHOP), STORE)]),
        (ClaimReason.NOT_IN_NOTICE, [OPENED, SCOPED, notified(SHOP, THINGS[0]), (acknowledged(SHOP, *THINGS), SHOP)]),
        (ClaimReason.NOT_RECONCILED, [OPENED, SCOPED, CLOSED]),
        (ClaimReason.OVER, [OPENED, RecallCancelled(case=CASE, reason="a mistake"), SCOPED]),
    ],
)
def test_what_breaks_a_rule_is_a_claim(reason: ClaimReason, told: list[tuple[Payload, str] | Payload]) -> None:
    (claim,) = case(*told).claims
    assert claim.reason is reason


def test_every_reason_says_what_helps() -> None:
    assert MEANINGS.keys() == set(ClaimReason)


def test_who_was_notified_sees_its_notice_and_the_end_and_that_is_a_case_too() -> None:
    found = case(
        notified(SHOP, *THINGS),
        (acknowledged(SHOP, THINGS[0]), SHOP),
        RecallClosed(case=CASE, reconciled=True, organisation=SHOP),
    )
    assert (found.opened_by, found.stage, found.claims) == (OPENER, Stage.CLOSED, ())
    assert found.about == OPENED


def test_who_sees_that_it_is_open_sees_that_it_is_over() -> None:
    assert case(OPENED, CLOSED).stage is Stage.CLOSED
    assert [one.reason for one in case(OPENED, RecallClosed(case=CASE)).claims] == [ClaimReason.NOT_RECONCILED]


def test_a_longer_notice_is_several_events() -> None:
    things = tuple(f"{THINGS[0]}{n:04}" for n in range(THINGS_OF_A_NOTICE + 1))
    parts = list(notices(OPENED, "n1", SHOP, things))
    found = case(OPENED, SCOPED, *parts)
    assert [len(part.things) for part in parts] == [THINGS_OF_A_NOTICE, 1]
    assert found.notified(SHOP) == set(things)
    assert len(found.notices) == 1


def test_an_event_is_seen_by_its_maker_and_by_whom_it_is_addressed_to() -> None:
    event = notified(SHOP, THINGS[0]).event(captured_by=OPENER, occurred_at=5, to=SHOP)
    rows = index_rows(event.parts)
    assert set(rows.tags) == {
        f"case:{CASE}",
        "case:recall",
        f"item:{THINGS[0]}",
        f"recalled:{THINGS[0]}",
        f"party:{SHOP}",
        "sight:named_only",
    }
    assert Reader(SHOP, frozenset({SHOP})).extent(rows.visibility) is not None
    granted = Grant(OPENER, STORE, None, frozenset({"more"}))
    assert Reader(STORE, frozenset({STORE}), (granted,)).extent(rows.visibility) is None
    assert Reader(OPENER).extent(rows.visibility) is not None
    opened = OPENED.event(captured_by=OPENER, occurred_at=5)
    assert Reader(STORE, frozenset({STORE}), (granted,)).extent(index_rows(opened.parts).visibility) == frozenset(
        {"more"}
    )
    assert set(index_rows(opened.parts).tags) == {f"case:{CASE}", "case:recall", f"item:{ROOT}", f"recalled:{ROOT}"}
    known = said(OPENED)
    read = said_in(opened.parts, 3, known.event_id, 7)
    assert read is not None
    assert (read.payload, read.said_by, read.occurred_at, read.position) == (OPENED, OPENER, 5, 3)


@pytest.mark.parametrize("payload", [b"{}", b"[]", b'{"case":1}', b'{"case":"c","unknown":1}'])
def test_what_others_wrote_and_nobody_can_read_says_nothing(payload: bytes) -> None:
    event = decision_event(OPENED.type_name, payload, captured_by=SHOP, occurred_at=1, tags=["case:c"])
    assert said_in(event.parts, 1, said(OPENED).event_id, 1) is None


def test_a_sum_counts_each_thing_once_and_names_what_is_missing() -> None:
    one, other, third, fourth = (f"{THINGS[0]}{n}" for n in range(4))
    affected = [
        Affected(one, (SHOP,), ()),
        Affected(other, (SHOP, STORE), ()),
        Affected(third, (OPENER,), ()),
        Affected(fourth, (), ()),
        Affected(ROOT, (SHOP,), ()),
    ]
    found = case(
        OPENED,
        SCOPED,
        notified(SHOP, one, other, ROOT),
        notified(STORE, other),
        (acknowledged(SHOP, one, other), SHOP),
        (acknowledged(SHOP, ROOT, outcome=Outcome.FOUND), SHOP),
    )
    total = added_up(affected, (), found.notices, {})
    assert total.fates == {Fate.RECOVERED: 1, Fate.DESTROYED: 0, Fate.NOT_FOUND: 0}
    assert (total.unheld, total.missing) == (1, (other, third, ROOT))
    ends = {third: Fate.RECOVERED, ROOT: Fate.DESTROYED, other: Fate.NOT_FOUND}
    told = added_up(affected, (), found.notices, {thing: [Came(fate)] for thing, fate in ends.items()})
    assert told.fates == {Fate.RECOVERED: 2, Fate.DESTROYED: 1, Fate.NOT_FOUND: 1}
    assert (told.unheld, told.missing) == (1, ())
    assert sum(total.fates.values()) + total.unheld + len(total.missing) == len(affected)
