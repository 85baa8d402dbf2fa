"""Statements of a register about a few organisations, at a few times, and a register that looks at all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from hypothesis import strategies as st

from traceability.ledger.register.stated import Stated
from traceability.ledger.register.statements import (
    REGISTRAR,
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

OPERATOR, OFFICE, IMPORTER, STORE = "operator.example", "office.example", "importer.example", "store.example"
ORGANISATIONS = [OPERATOR, OFFICE, IMPORTER, STORE]
KINDS = ["import", "pharmacy"]
NUMBERS = ["1", "2"]
ACTIONS = ["receive", "ship"]
PREFIXES = ["9521", "95212", "9521234", "9530"]
DIGITS = ["952123400001", "952199900001", "953000000001", "0000", "95"]
TIMES = [0, 10, 20, 30, 40]

organisations = st.sampled_from([IMPORTER, IMPORTER, STORE])


def _span(since: int, length: int | None) -> dict[str, int | None]:
    return {"since": since, "until": None if length is None else since + length}


spans = st.builds(_span, st.sampled_from(TIMES), st.sampled_from([None, None, 0, 10, 20]))
some_actions = st.lists(st.sampled_from(ACTIONS), max_size=1).map(tuple)


def _of(type_: type[RegisterStatement], **members: st.SearchStrategy[object]) -> st.SearchStrategy[RegisterStatement]:
    said = st.fixed_dictionaries(members)
    return st.tuples(spans, said).map(lambda both: type_.model_validate({**both[0], **both[1]}))


_licence = {
    "organisation": organisations,
    "kind": st.sampled_from(KINDS),
    "number": st.sampled_from(NUMBERS),
}
statements: st.SearchStrategy[RegisterStatement] = st.one_of(
    _of(LicenceGranted, **_licence, issuer=st.just("Customs"), actions=some_actions),
    _of(LicenceSuspended, **_licence, reason=st.just("late")),
    _of(LicenceReinstated, **_licence),
    _of(LicenceRevoked, **_licence, reason=st.just("false papers")),
    _of(OrganisationRegistered, organisation=organisations, legal_name=st.sampled_from(["A", "B"])),
    _of(PrefixHeld, organisation=organisations, prefix=st.sampled_from(PREFIXES)),
    _of(PartnerAuthorised, organisation=organisations, partner=organisations, actions=some_actions),
    _of(
        RoleGiven,
        organisation=st.sampled_from([OFFICE, IMPORTER]),
        role=st.sampled_from([REGISTRAR, REGISTRAR, "carrier"]),
    ),
    _of(
        RuleSet,
        action=st.sampled_from(ACTIONS),
        licences=st.lists(st.sampled_from(KINDS), max_size=2).map(tuple),
        roles=st.lists(st.just("carrier"), max_size=1).map(tuple),
        partner=st.booleans(),
    ),
)
speakers = st.sampled_from([OPERATOR, OPERATOR, OPERATOR, OFFICE, OFFICE, IMPORTER])


def stated(said: RegisterStatement, by: str = OPERATOR, at: int = 0, position: int = 1) -> Stated:
    digest = sha256(f"{said.type_name} {said.model_dump_json()} {by} {at}".encode()).digest()
    return Stated(said, by, at, position, UUID(int=position), position, digest=digest)


worlds = st.lists(st.tuples(statements, speakers, st.integers(0, 4)), max_size=14).map(
    lambda told: [stated(said, by, at * 10, n) for n, (said, by, at) in enumerate(told, 1)]
)


@dataclass(frozen=True)
class NaiveRegister:
    """The rules of docs/guide/register.md, each time from the beginning."""

    told: Sequence[Stated]

    def counting(self) -> list[Stated]:
        """Return what those say who may, but for what is replaced or withdrawn."""
        registrars = self._last([one for one in self.told if one.stated_by == OPERATOR and _makes_registrar(one)])
        heard = []
        for one in self.told:
            operators = isinstance(one.said, RuleSet) or _makes_registrar(one)
            own = isinstance(one.said, PartnerAuthorised) and one.said.organisation == one.stated_by
            named = [r for r in registrars if isinstance(r.said, RoleGiven) and r.said.organisation == one.stated_by]
            registrar = _newest(named, one.stated_at)
            if (
                one.stated_by == OPERATOR
                or own
                or (not operators and registrar is not None and _is_over(registrar, one.stated_at) is False)
            ):
                heard.append(one)
        return self._last(heard)

    def holder(self, digits: str, at: int) -> str | None:
        found = [one for one in self.counting() if isinstance(one.said, PrefixHeld)]
        for length in range(len(digits), 0, -1):
            newest = _newest([one for one in found if one.said.subject == ("prefix", digits[:length])], at)
            if length in range(4, 13) and newest is not None and not _is_over(newest, at):
                assert isinstance(newest.said, PrefixHeld)
                return newest.said.organisation
        return None

    def may(self, organisation: str, action: str, at: int, partner: str | None) -> bool:
        counting = self.counting()

        def now(*subject: str) -> Stated | None:
            newest = _newest([one for one in counting if one.said.subject == subject], at)
            return None if newest is None or _is_over(newest, at) else newest

        rule = now("rule", action)
        if rule is None:
            return True
        assert isinstance(rule.said, RuleSet)
        registered = _newest([one for one in counting if one.said.subject == ("organisation", organisation)], at)
        if registered is not None and _is_over(registered, at):
            return False
        licensed = any(
            (grant := now("licence", organisation, kind, number)) is not None
            and isinstance(grant.said, LicenceGranted)
            and (not grant.said.actions or action in grant.said.actions)
            and now("revocation", organisation, kind, number) is None
            and not ((s := now("suspension", organisation, kind, number)) and isinstance(s.said, LicenceSuspended))
            for kind in rule.said.licences
            for number in NUMBERS
        )
        roles = any(now("role", organisation, role) for role in rule.said.roles)
        trades = None if partner is None else now("partner", organisation, partner)
        covered = trades is not None and isinstance(trades.said, PartnerAuthorised)
        if covered and trades is not None and isinstance(trades.said, PartnerAuthorised):
            covered = not trades.said.actions or action in trades.said.actions
        return (
            (licensed or not rule.said.licences)
            and (roles or not rule.said.roles)
            and (covered or not rule.said.partner)
        )

    def _last(self, told: Sequence[Stated]) -> list[Stated]:
        return [
            one
            for one in told
            if one.said.until != one.said.since
            and not any(
                (other.stated_at, other.digest) > (one.stated_at, one.digest)
                for other in told
                if (other.said.subject, other.said.since) == (one.said.subject, one.said.since)
            )
        ]


def _makes_registrar(one: Stated) -> bool:
    return isinstance(one.said, RoleGiven) and one.said.role == REGISTRAR


def _newest(told: Sequence[Stated], at: int) -> Stated | None:
    begun = [one for one in told if one.said.since <= at]
    return max(begun, key=lambda one: one.said.since, default=None)


def _is_over(one: Stated, at: int) -> bool:
    return one.said.until is not None and one.said.until <= at
