"""The register: who may say what, what holds when, and who may do what, whatever the order of arrival."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.register import KINDS, read_statement
from tests.support.register import (
    ACTIONS,
    DIGITS,
    IMPORTER,
    OFFICE,
    OPERATOR,
    ORGANISATIONS,
    STORE,
    TIMES,
    NaiveRegister,
    stated,
    worlds,
)
from traceability.errors import InvalidInputError
from traceability.gs1.epcis import index_rows
from traceability.ledger.access import PUBLIC, REGISTER, Reader
from traceability.ledger.event import PAYLOAD, decision_event
from traceability.ledger.register.register import MEANINGS, ClaimReason, LicenceStatus, Refusal, Register
from traceability.ledger.register.stated import Stated, stated_in
from traceability.ledger.register.statements import (
    REGISTRAR,
    STATEMENTS,
    KeyBound,
    LicenceGranted,
    LicenceReinstated,
    LicenceRevoked,
    LicenceSuspended,
    OrganisationRegistered,
    PartnerAuthorised,
    PrefixHeld,
    RegisterStatement,
    RoleGiven,
    RuleSet,
)

partners = st.sampled_from([None, STORE, IMPORTER])


def register(*said: RegisterStatement) -> Register:
    """Return what the operator said, one after the other."""
    return Register([stated(one, at=n, position=n + 1) for n, one in enumerate(said)], OPERATOR)


def granted(
    since: int = 0, until: int | None = None, number: str = "1", actions: tuple[str, ...] = ()
) -> LicenceGranted:
    return LicenceGranted(
        organisation=IMPORTER, kind="import", number=number, issuer="Customs", since=since, until=until, actions=actions
    )


def refusal(found: Register, at: int, partner: str | None = None) -> Refusal | None:
    return found.authorised(IMPORTER, "receive", at, partner).refusal


NEEDS_LICENCE = RuleSet(action="receive", licences=("import",), since=0)


@given(worlds, st.integers(0), st.sampled_from(ORGANISATIONS), partners)
def test_it_is_as_the_rules_say_in_any_order_of_arrival(
    world: list[Stated], seed: int, organisation: str, partner: str | None
) -> None:
    naive, found = NaiveRegister(world), Register(world, OPERATOR)
    shuffled = list(world)
    Random(seed).shuffle(shuffled)
    again = Register(shuffled, OPERATOR)
    assert again.claims == found.claims
    assert again.statements == found.statements
    for at in (-1, *TIMES, 25, 99):
        assert [found.prefix_holder(digits, at) for digits in DIGITS] == [naive.holder(digits, at) for digits in DIGITS]
        for action in (*ACTIONS, "other"):
            verdict = found.authorised(organisation, action, at, partner)
            assert verdict == again.authorised(organisation, action, at, partner)
            assert verdict.authorised == naive.may(organisation, action, at, partner)
            assert {one.position for one in verdict.rests_on} <= {one.position for one in naive.counting()}


def test_of_two_statements_of_one_moment_the_content_decides_and_not_which_came_first() -> None:
    one, other = (PrefixHeld(organisation=name, prefix="9521", since=0) for name in (IMPORTER, STORE))
    held = [
        Register([stated(first, position=1), stated(second, position=2)], OPERATOR).prefix_holder("9521", 0)
        for first, second in ((one, other), (other, one))
    ]
    assert held[0] == held[1]


@given(worlds, st.integers(0, 14))
def test_what_arrives_later_changes_nothing_of_what_was_known(world: list[Stated], known_at: int) -> None:
    then = Register([one for one in world if one.position <= known_at], OPERATOR)
    assert then.statements == Register(world[:known_at], OPERATOR).statements


@given(worlds)
def test_a_holder_changes_only_at_its_times(world: list[Stated]) -> None:
    found = Register(world, OPERATOR)
    for digits in DIGITS:
        changes = found.prefix_changes(digits)
        for at in range(-1, 50):
            since = max((change for change in changes if change <= at), default=-1)
            assert found.prefix_holder(digits, at) == found.prefix_holder(digits, since)


def test_every_refusal_says_what_helps() -> None:
    assert MEANINGS.keys() == set(Refusal)


def test_without_a_rule_anybody_may() -> None:
    verdict = register().authorised(IMPORTER, "receive", 5)
    assert (verdict.authorised, verdict.rests_on) == (True, ())


def test_a_licence_is_in_force_from_its_beginning_until_its_end_and_after_its_renewal() -> None:
    found = register(NEEDS_LICENCE, granted(10, 20), granted(30))
    wanted = {5: Refusal.LICENCE_NOT_YET_VALID, 10: None, 19: None, 20: Refusal.LICENCE_EXPIRED, 30: None}
    assert {at: refusal(found, at) for at in wanted} == wanted


def test_a_suspended_licence_is_reinstated_and_a_revoked_one_is_not() -> None:
    found = register(
        NEEDS_LICENCE,
        granted(),
        LicenceSuspended(organisation=IMPORTER, kind="import", number="1", since=10, reason="late"),
        LicenceReinstated(organisation=IMPORTER, kind="import", number="1", since=20),
        LicenceRevoked(organisation=IMPORTER, kind="import", number="1", since=30, reason="false papers"),
        granted(40),
    )
    wanted = {
        9: None,
        10: Refusal.LICENCE_SUSPENDED,
        20: None,
        30: Refusal.LICENCE_REVOKED,
        40: Refusal.LICENCE_REVOKED,
    }
    assert {at: refusal(found, at) for at in wanted} == wanted
    assert [one.status for one in found.licences(IMPORTER, 35)] == [LicenceStatus.REVOKED]
    # What was a mistake is withdrawn: it ends where it begins.
    mistaken = LicenceRevoked(
        organisation=IMPORTER, kind="import", number="1", since=30, until=30, reason="another number was meant"
    )
    assert refusal(register(NEEDS_LICENCE, granted(), mistaken), 35) is None


def test_of_several_licences_the_best_decides_and_each_covers_its_own_actions() -> None:
    assert refusal(register(NEEDS_LICENCE, granted(0, 5), granted(0, number="2")), 9) is None
    assert refusal(register(NEEDS_LICENCE, granted(actions=("ship",))), 9) is Refusal.LICENCE_FOR_OTHER_ACTIONS
    assert refusal(register(NEEDS_LICENCE), 9) is Refusal.NO_LICENCE


def test_roles_partners_and_registration_decide_too() -> None:
    rule = RuleSet(action="receive", roles=("carrier", "customs"), partner=True, since=0)
    role = RoleGiven(organisation=IMPORTER, role="carrier", since=0)
    trades = PartnerAuthorised(organisation=IMPORTER, partner=STORE, actions=("receive",), since=0)
    assert refusal(register(rule), 5) is Refusal.NO_ROLE
    assert refusal(register(rule, role), 5) is Refusal.NO_PARTNER_NAMED
    assert refusal(register(rule, role), 5, STORE) is Refusal.PARTNER_NOT_AUTHORISED
    assert refusal(register(rule, role, trades), 5, STORE) is None
    known = OrganisationRegistered(organisation=IMPORTER, legal_name="A", since=0, until=8)
    assert refusal(register(rule, role, trades, known), 7, STORE) is None
    assert refusal(register(rule, role, trades, known), 8, STORE) is Refusal.STRUCK_OFF


def test_only_the_operator_and_its_registrars_are_believed_and_of_its_partners_everybody() -> None:
    registrar = stated(RoleGiven(organisation=OFFICE, role=REGISTRAR, since=10, until=20), OPERATOR, 0, 1)
    early, in_time, late = (stated(granted(number=str(at)), OFFICE, at, at) for at in (9, 10, 20))
    own = stated(granted(number="7"), IMPORTER, 15, 30)
    trades = stated(PartnerAuthorised(organisation=IMPORTER, partner=STORE, since=0), IMPORTER, 0, 31)
    of_another = stated(PartnerAuthorised(organisation=STORE, partner=IMPORTER, since=0), IMPORTER, 0, 32)
    rule = stated(NEEDS_LICENCE, OFFICE, 15, 33)
    second = stated(RoleGiven(organisation=IMPORTER, role=REGISTRAR, since=0), OFFICE, 15, 34)
    found = Register([registrar, early, in_time, late, own, trades, of_another, rule, second], OPERATOR)
    assert {(one.stated.position, one.reason) for one in found.claims} == {
        (9, ClaimReason.NOT_REGISTRAR),
        (20, ClaimReason.NOT_REGISTRAR),
        (30, ClaimReason.NOT_REGISTRAR),
        (32, ClaimReason.NOT_REGISTRAR),
        (33, ClaimReason.NOT_OPERATOR),
        (34, ClaimReason.NOT_OPERATOR),
    }
    assert [one.granted.number for one in found.licences(IMPORTER, 50)] == ["10"]


def test_the_longest_registered_prefix_decides_and_passes_on() -> None:
    found = register(
        PrefixHeld(organisation=IMPORTER, prefix="9521", since=0),
        PrefixHeld(organisation=STORE, prefix="9521234", since=10, until=30),
        PrefixHeld(organisation=OFFICE, prefix="9521", since=40),
    )
    holders = [found.prefix_holder("952123400001", at) for at in (-1, 0, 10, 30, 40)]
    assert holders == [None, IMPORTER, STORE, IMPORTER, OFFICE]
    assert found.prefix_holder("952", 5) is None
    assert found.prefix_changes("952123400001") == [0, 10, 30, 40]


WRONG = [
    (LicenceGranted, {"number": ""}),
    (LicenceGranted, {"since": "2026-03-01"}),
    (LicenceGranted, {"since": "2026-03-01T08:00:00"}),
    (LicenceGranted, {"since": "yesterday"}),
    (LicenceGranted, {"since": 1 << 62}),
    (LicenceGranted, {"until": -1}),
    (LicenceGranted, {"actions": ["Two words"]}),
    (LicenceGranted, {"evidence": "0" * 63}),
    (LicenceGranted, {"organisation": "public"}),
    (LicenceGranted, {"organisation": 5}),
    (LicenceGranted, {"issuer": "two\nlines"}),
    (LicenceGranted, {"more": 1}),
    (PrefixHeld, {"prefix": "952"}),
    (PrefixHeld, {"prefix": "9521234000001"}),
    (PrefixHeld, {"prefix": "95 21"}),
    (KeyBound, {"public_key": "AAAA"}),
    (KeyBound, {"public_key": "not base64"}),
]
GOOD: dict[type[RegisterStatement], dict[str, object]] = {
    LicenceGranted: {"kind": "import", "number": "1", "issuer": "Customs"},
    PrefixHeld: {"prefix": "9521"},
    KeyBound: {"public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
}


@pytest.mark.parametrize(("kind", "wrong"), WRONG)
def test_what_is_malformed_is_no_statement(kind: type[RegisterStatement], wrong: dict[str, object]) -> None:
    good = {"organisation": IMPORTER, "since": 0, **GOOD[kind]}
    kind.model_validate(good)
    with pytest.raises(ValidationError):
        kind.model_validate({**good, **wrong})


def _recorded(said: RegisterStatement, *, hidden: bool = False) -> Stated | None:
    event = said.event(captured_by=OPERATOR, stated_at=7, hidden=hidden)
    return stated_in(event.parts, 3, stated(said).event_id, 9)


@given(worlds.filter(bool))
def test_a_recorded_statement_is_read_back(world: list[Stated]) -> None:
    for one in world:
        found = _recorded(one.said)
        assert found is not None
        assert (found.said, found.stated_by, found.stated_at, found.hidden) == (one.said, OPERATOR, 7, False)
        assert index_rows(one.said.event(captured_by=OPERATOR, stated_at=7).parts).visibility.biz_step == REGISTER


def test_a_contact_is_in_the_part_that_can_be_erased() -> None:
    said = OrganisationRegistered(organisation=IMPORTER, legal_name="Pearl River", contact="Li Hua", since=0)
    event = said.event(captured_by=OPERATOR, stated_at=7)
    assert b"Li Hua" not in event.parts.more
    assert f"{PAYLOAD}contact".encode() in event.parts.personal
    found = _recorded(said)
    assert found is not None
    assert found.said == said


def test_a_statement_is_for_everybody_unless_it_is_hidden() -> None:
    rows = [
        index_rows(granted().event(captured_by=OPERATOR, stated_at=0, hidden=hidden).parts) for hidden in (False, True)
    ]
    stranger, importer = Reader(PUBLIC), Reader(IMPORTER, frozenset({IMPORTER}))
    seen = [[reader.extent(one.visibility) is not None for one in rows] for reader in (stranger, importer)]
    assert seen == [[True, False], [True, True]]
    with pytest.raises(InvalidInputError) as caught:
        NEEDS_LICENCE.event(captured_by=OPERATOR, stated_at=0, hidden=True)
    assert caught.value.code == "register.public"


@pytest.mark.parametrize("payload", [b"{}", b'{"since":5}', b"[]", b'"x"', b'{"since":"9999999"}'])
@pytest.mark.parametrize("kind", [*STATEMENTS, "register.something_new.v1"])
def test_what_cannot_be_read_says_nothing(kind: str, payload: bytes) -> None:
    event = decision_event(kind, payload, captured_by=OPERATOR, occurred_at=0, tags=["register:rules"])
    assert stated_in(event.parts, 1, stated(granted()).event_id, 1) is None
    index_rows(event.parts)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), lambda x: st.lists(x, max_size=2)
)
MEMBERS = st.sampled_from(
    ["organisation", "since", "until", "kind", "number", "actions", "prefix", "public_key", "role"]
)


@given(st.sampled_from([*KINDS, "nothing"]), st.dictionaries(MEMBERS | st.text(max_size=5), JUNK, max_size=6))
def test_what_people_send_is_read_or_refused(kind: str, members: dict[str, object]) -> None:
    with suppress(InvalidInputError):
        said = read_statement(kind, members, 0)
        assert _recorded(said) is not None
