"""The register folded: who is registered, licensed and whose partner at an instant, and who may therefore do what.

What counts is said by the operator of the ledger, or by whom the operator made a registrar at the time of saying it;
rules and registrars are the operator's alone, and whom it trades with an organisation says itself. Everything else is a
*claim*: shown as such, with its reason, and nothing rests on it. The fold is total and independent of arrival.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Final, NamedTuple

from traceability.ledger.register.stated import Stated
from traceability.ledger.register.statements import (
    REGISTRAR,
    LicenceGranted,
    LicenceSuspended,
    PartnerAuthorised,
    PrefixHeld,
    RoleGiven,
    RuleSet,
    Subject,
)

LONGEST_PREFIX: Final = 12
SHORTEST_PREFIX: Final = 4
_LICENCE: Final = "licence"  # what subjects of licences begin with


class ClaimReason(StrEnum):
    """Why a statement is a mere claim."""

    NOT_OPERATOR = "not_operator"
    """Rules and registrars are the operator's to state."""
    NOT_REGISTRAR = "not_registrar"
    """Whoever said it was no registrar when it said so."""


class Claim(NamedTuple):
    """A statement on which nothing rests, and why."""

    stated: Stated
    reason: ClaimReason


class LicenceStatus(StrEnum):
    """What a licence is at an instant."""

    IN_FORCE = "in_force"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence at an instant: its terms as granted, what it is, and every statement that makes it so."""

    granted: LicenceGranted
    status: LicenceStatus
    rests_on: tuple[Stated, ...]

    def covers(self, action: str) -> bool:
        """Tell whether it allows an action while it is in force."""
        return not self.granted.actions or action in self.granted.actions


class Refusal(StrEnum):
    """Why an organisation may not do something."""

    STRUCK_OFF = "struck_off"
    NO_LICENCE = "no_licence"
    LICENCE_FOR_OTHER_ACTIONS = "licence_for_other_actions"
    LICENCE_NOT_YET_VALID = "licence_not_yet_valid"
    LICENCE_EXPIRED = "licence_expired"
    LICENCE_SUSPENDED = "licence_suspended"
    LICENCE_REVOKED = "licence_revoked"
    NO_ROLE = "no_role"
    NO_PARTNER_NAMED = "no_partner_named"
    PARTNER_NOT_AUTHORISED = "partner_not_authorised"


class Meaning(NamedTuple):
    """The rule behind a refusal, and what would make the action pass."""

    sentence: str
    remedy: str


MEANINGS: Final[dict[Refusal, Meaning]] = {
    Refusal.STRUCK_OFF: Meaning(
        "Its registration has ended.", "Have a registrar register the organisation again, from that time on."
    ),
    Refusal.NO_LICENCE: Meaning(
        "It has no licence of a kind that the action needs.", "Have a registrar state the licence that was granted."
    ),
    Refusal.LICENCE_FOR_OTHER_ACTIONS: Meaning(
        "Its licence does not cover the action.", "Have a registrar state a licence that does."
    ),
    Refusal.LICENCE_NOT_YET_VALID: Meaning("Its licence begins later.", "Wait until then, or check the time."),
    Refusal.LICENCE_EXPIRED: Meaning("Its licence had expired.", "Have a registrar state the renewal."),
    Refusal.LICENCE_SUSPENDED: Meaning("Its licence is suspended.", "Have it reinstated by whoever granted it."),
    Refusal.LICENCE_REVOKED: Meaning("Its licence is revoked.", "A new licence, of another number, is needed."),
    Refusal.NO_ROLE: Meaning("It has none of the roles that the action needs.", "Have a registrar give it one."),
    Refusal.NO_PARTNER_NAMED: Meaning(
        "The action needs an authorised trading partner, and none was named.", "Name the other side."
    ),
    Refusal.PARTNER_NOT_AUTHORISED: Meaning(
        "The other side is no authorised trading partner of it.", "State the partner in the register first."
    ),
}
"""What each refusal says, and what helps."""

_REFUSALS: Final = {
    LicenceStatus.SUSPENDED: Refusal.LICENCE_SUSPENDED,
    LicenceStatus.EXPIRED: Refusal.LICENCE_EXPIRED,
    LicenceStatus.NOT_YET_VALID: Refusal.LICENCE_NOT_YET_VALID,
    LicenceStatus.REVOKED: Refusal.LICENCE_REVOKED,
}
_NEAREST: Final = tuple(LicenceStatus)
"""Of several licences that allow nothing the refusal tells of the one that is nearest to being in force."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an organisation may do `action` at an instant (µs UTC): it may while there is no `refusal`.

    `rests_on` are the statements that decide it; without a rule for the action there are none, and anybody may.
    """

    organisation: str
    action: str
    at: int
    refusal: Refusal | None
    rests_on: tuple[Stated, ...]
    partner: str | None = None

    @property
    def authorised(self) -> bool:
        """Tell whether it may."""
        return self.refusal is None


class Register:
    """The statements that a reader may see about some organisations, with those that concern everybody, folded.

    Times are in microseconds UTC. Nothing here raises.
    """

    def __init__(self, statements: Iterable[Stated], operator: str) -> None:
        known = list(statements)
        self.newest = max((one.position for one in known), default=0)
        """The last position that it rests on."""
        by_operator = (one for one in known if one.stated_by == operator and _is_registrar(one))
        self._timelines = _timelines(_last_said(by_operator))
        heard: list[Stated] = []
        self.claims: list[Claim] = []
        for one in known:
            reason = self._objection(one, operator)
            if reason is None:
                heard.append(one)
            else:
                self.claims.append(Claim(one, reason))
        self.claims.sort(key=lambda claim: _turn(claim.stated))
        self._last_said = _last_said(heard)
        self._timelines = _timelines(self._last_said)
        self.knows_prefixes = any(subject[0] == "prefix" for subject in self._timelines)
        """Whether any company prefix was ever registered."""
        self._licences: dict[str, list[Subject]] = {}
        for subject in sorted(self._timelines):
            if subject[0] == _LICENCE:
                self._licences.setdefault(subject[1], []).append(subject)

    @property
    def statements(self) -> list[Stated]:
        """Return the statements that no later one replaces, withdrawn ones too, by when they were stated."""
        return sorted(self._last_said.values(), key=_turn)

    def said(self, subject: Subject, since: int) -> Stated | None:
        """Return what counts of what is said of a subject from this beginning on."""
        return self._last_said.get((subject, since))

    def holding(self, subject: Subject, at: int) -> Stated | None:
        """Return what is said of a subject at an instant."""
        last = self._last(subject, at)
        return last if last is not None and last.said.holds_at(at) else None

    def registration(self, organisation: str, at: int) -> Stated | None:
        """Return the registration of an organisation."""
        return self.holding(("organisation", organisation), at)

    def rule(self, action: str, at: int) -> Stated | None:
        """Return the rule of who may do something."""
        return self.holding(("rule", action), at)

    def was_registered(self, organisation: str, at: int) -> bool:
        """Tell whether an organisation was registered at some time up to an instant."""
        return self._last(("organisation", organisation), at) is not None

    def is_registrar(self, organisation: str, at: int) -> bool:
        """Tell whether an organisation may say what is in the register."""
        return self.holding(("role", organisation, REGISTRAR), at) is not None

    def of_kind(self, kind: str, at: int) -> Iterator[Stated]:
        """Yield what is said of subjects of one kind: `prefix`, `partner`, `key`, `role`, `rule`, by their names."""
        for subject in sorted(self._timelines):
            if subject[0] == kind and (stated := self.holding(subject, at)) is not None:
                yield stated

    def licences(self, organisation: str, at: int) -> list[Licence]:
        """Return what the licences of an organisation are, those that it had and will have too, by kind and number."""
        return [self._licence(subject, at) for subject in self._licences.get(organisation, ())]

    def prefix_holder(self, digits: str, at: int) -> str | None:
        """Return who holds the company prefix that `digits` begin with, the longest registered; None for nobody.

        `digits` are those of a GS1 key from its company prefix on.
        """
        for length in range(min(LONGEST_PREFIX, len(digits)), SHORTEST_PREFIX - 1, -1):
            stated = self.holding(("prefix", digits[:length]), at)
            if stated is not None and isinstance(stated.said, PrefixHeld):
                return stated.said.organisation
        return None

    def prefix_changes(self, digits: str) -> list[int]:
        """Return the instants at which another may become the holder of what `digits` begin with, in order."""
        lines = (self._timelines.get(("prefix", digits[:n]), ()) for n in range(SHORTEST_PREFIX, LONGEST_PREFIX + 1))
        saids = [one.said for line in lines for one in line]
        return sorted({at for said in saids for at in (said.since, said.until) if at is not None})

    def authorised(self, organisation: str, action: str, at: int, partner: str | None = None) -> Verdict:
        """Judge whether an organisation may do something; `partner` is the other side, where there is one."""
        refusal, rests_on = self._judged(organisation, action, at, partner)
        return Verdict(organisation, action, at, refusal, tuple(rests_on), partner)

    def _judged(
        self, organisation: str, action: str, at: int, partner: str | None
    ) -> tuple[Refusal | None, list[Stated]]:
        rule = self.rule(action, at)
        if rule is None or not isinstance(rule.said, RuleSet):
            return None, []
        rests_on = [rule]
        registered = self._last(("organisation", organisation), at)
        if registered is not None:
            rests_on.append(registered)
            if not registered.said.holds_at(at):
                return Refusal.STRUCK_OFF, rests_on
        if rule.said.licences:
            refusal, found = self._licensed(organisation, action, at, rule.said.licences)
            rests_on += found
            if refusal is not None:
                return refusal, rests_on
        if rule.said.roles:
            roles = (self.holding(("role", organisation, role), at) for role in rule.said.roles)
            role = next((one for one in roles if one is not None), None)
            if role is None:
                return Refusal.NO_ROLE, rests_on
            rests_on.append(role)
        if rule.said.partner:
            trades = None if partner is None else self.holding(("partner", organisation, partner), at)
            if trades is None or not _covers(trades, action):
                return Refusal.NO_PARTNER_NAMED if partner is None else Refusal.PARTNER_NOT_AUTHORISED, rests_on
            rests_on.append(trades)
        return None, rests_on

    def _licensed(
        self, organisation: str, action: str, at: int, kinds: Sequence[str]
    ) -> tuple[Refusal | None, Sequence[Stated]]:
        of_kind = [one for one in self.licences(organisation, at) if one.granted.kind in kinds]
        if not of_kind:
            return Refusal.NO_LICENCE, ()
        covering = [one for one in of_kind if one.covers(action)]
        best = min(covering or of_kind, key=lambda one: _NEAREST.index(one.status))
        if not covering:
            return Refusal.LICENCE_FOR_OTHER_ACTIONS, best.rests_on
        return _REFUSALS.get(best.status), best.rests_on

    def _licence(self, subject: Subject, at: int) -> Licence:
        """Return what a licence is that was granted at some time."""
        named = subject[1:]
        terms = self._last(subject, at)
        suspension, revocation = (self.holding((kind, *named), at) for kind in ("suspension", "revocation"))
        if terms is None:
            terms, status = self._timelines[subject][0], LicenceStatus.NOT_YET_VALID
        elif not terms.said.holds_at(at):
            status = LicenceStatus.EXPIRED
        else:
            status = LicenceStatus.IN_FORCE
        rests_on = [terms]
        if suspension is not None:
            rests_on.append(suspension)
            if status is LicenceStatus.IN_FORCE and isinstance(suspension.said, LicenceSuspended):
                status = LicenceStatus.SUSPENDED
        if revocation is not None:
            rests_on.append(revocation)
            status = LicenceStatus.REVOKED
        assert isinstance(terms.said, LicenceGranted)  # nothing else is about a licence's terms
        return Licence(terms.said, status, tuple(rests_on))

    def _last(self, subject: Subject, at: int) -> Stated | None:
        """Return what began last of what is said of a subject, whether it has ended or not."""
        line = self._timelines.get(subject, ())
        following = bisect_right(line, at, key=_SINCE)
        return line[following - 1] if following else None

    def _objection(self, stated: Stated, operator: str) -> ClaimReason | None:
        said, who = stated.said, stated.stated_by
        if who == operator:
            return None
        if isinstance(said, RuleSet) or _is_registrar(stated):
            return ClaimReason.NOT_OPERATOR
        own = isinstance(said, PartnerAuthorised) and said.organisation == who
        return None if own or self.is_registrar(who, stated.stated_at) else ClaimReason.NOT_REGISTRAR


_SINCE: Final = attrgetter("said.since")


def _turn(stated: Stated) -> tuple[int, bytes, int]:
    # Position only separates statements whose content is the same.
    return stated.stated_at, stated.digest, -stated.position


def _last_said(statements: Iterable[Stated]) -> dict[tuple[Subject, int], Stated]:
    return {(stated.said.subject, stated.said.since): stated for stated in sorted(statements, key=_turn)}


def _timelines(last_said: Mapping[tuple[Subject, int], Stated]) -> dict[Subject, list[Stated]]:
    """Return what is said of each subject, by its beginning; what was withdrawn was never said."""
    lines: dict[Subject, list[Stated]] = {}
    for (subject, since), stated in sorted(last_said.items(), key=lambda entry: entry[0][1]):
        if stated.said.until != since:
            lines.setdefault(subject, []).append(stated)
    return lines


def _is_registrar(stated: Stated) -> bool:
    return isinstance(stated.said, RoleGiven) and stated.said.role == REGISTRAR


def _covers(stated: Stated, action: str) -> bool:
    said = stated.said
    return isinstance(said, PartnerAuthorised) and (not said.actions or action in said.actions)
