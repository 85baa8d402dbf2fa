"""Commands about aircraft parts: released, limited, installed, removed, flown, scrapped.

A guard is what the fold of the part would tell as irregular with the command's event in its place and does not without.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, timedelta
from typing import Annotated, Final, Self

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from traceability.errors import InvalidInputError
from traceability.gs1.epcis.strict_json import JSON
from traceability.ledger.access import is_organisation_name
from traceability.ledger.event import EPOCH
from traceability.ledger.index import MarkKind
from traceability.supply_chain.aircraft_part.events import (
    Count,
    Line,
    PartLimitSet,
    PartReleased,
    ReleaseStatus,
    Sha256,
    UtilisationStated,
)
from traceability.supply_chain.aircraft_part.life import DEEPEST
from traceability.supply_chain.aircraft_part.part import AircraftPart
from traceability.supply_chain.aircraft_part.reading import aircraft_part
from traceability.supply_chain.aircraft_part.terms import POSITION, REASON, Code
from traceability.supply_chain.commands.body import Case, NewEvent, Thing, Things, Timed, things_of, unknown
from traceability.supply_chain.commands.picture import Picture
from traceability.supply_chain.commands.refusal import Fault, Rule
from traceability.supply_chain.containment import Containment, Interval
from traceability.supply_chain.decisions import Decided, HoldingRole
from traceability.supply_chain.seen import SeenEvent, thing_of
from traceability.supply_chain.standing import standing
from traceability.supply_chain.windows import END, Window

_PUMP: Final = "https://id.gs1.org/01/09521301007013/21/KF-20417"
_ENGINE: Final = "https://id.gs1.org/8004/9521302ENG-61044"
_RULES: Final[Mapping[Code, Rule]] = {
    Code.NOT_RELEASED: Rule.NOT_RELEASED,
    Code.INSTALLED_TWICE: Rule.INSTALLED,
    Code.RELEASED_WHILE_INSTALLED: Rule.INSTALLED,
    Code.ANOTHER_DOCUMENT: Rule.ANOTHER_DOCUMENT,
    Code.NO_LIFE_LEFT: Rule.NO_LIFE_LEFT,
    Code.AFTER_THE_END: Rule.ENDED,
}
"""What is only a warning elsewhere keeps nobody from telling what happened."""


def _organisation(text: str) -> str:
    if not is_organisation_name(text):
        raise ValueError("this is no name of an organisation")
    return text


_Organisation = Annotated[str, AfterValidator(_organisation)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
_PUMPS: Final = [[_PUMP]]
_SHA256: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class _Stating(Timed):
    """Something stated of things, seen by who has or owns them at that time."""

    things: Things = Field(min_length=1, max_length=1_000, examples=_PUMPS)

    def look(self, case: Case) -> None:
        """Read all about the things, and about what they were installed on."""
        _name(case, self._things())

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:
        """Yield what is unknown, and what it would make irregular."""
        yield from unknown(case, sorted(self._things()), draft, after)
        for thing in sorted(self._things()):
            yield from _added(case, thing, after)

    def seen_by(self, case: Case) -> set[str]:
        """Return who has or owns the things at that time."""
        picture = case.around.picture(case.at)
        custodies = [picture.custody_at(first, case.at) for first in {picture.stands_for(t) for t in self._things()}]
        return {holder for one in custodies for role in HoldingRole for holder in one.holders(role)}

    def _things(self) -> set[str]:
        return things_of(self.things)

    def _named(self) -> tuple[str, ...]:
        return tuple(sorted(self._things()))


class ReleasePart(_Stating):
    """Release parts to service: what an approved organisation certifies of each of these serials, in one certificate.

    The certificate itself stays with you; its SHA-256 is recorded, so that who is shown it can tell that it is the one.
    """

    name = "release_part"
    emits = PartReleased.type_name
    rules = (Rule.UNKNOWN, Rule.ENDED, Rule.NO_AUTHORITY, Rule.INSTALLED, Rule.ANOTHER_DOCUMENT)

    form: Line = Field(description="The form, as it is called on it.", examples=["EASA Form 1"])
    tracking_number: Line = Field(description="The form tracking number (block 3).", examples=["ARC-2023-0417"])
    status: ReleaseStatus = Field(description="The one status term (block 11).")
    approval: Line = Field(description="The approval of the releasing organisation.", examples=["UK.145.00001"])
    document: Sha256 = Field(description="SHA-256 of the certificate, in lower-case hex.", examples=[_SHA256])

    def said(self, case: Case) -> Decided:  # noqa: ARG002
        """Return the release."""
        return PartReleased(
            things=self._named(),
            form=self.form,
            tracking_number=self.tracking_number,
            status=self.status,
            approval=self.approval,
            document=self.document,
        )


class SetPartLimit(_Stating):
    """Tell at how many cycles or minutes of flight parts are to be replaced; a later one of this name replaces it."""

    name = "set_part_limit"
    emits = PartLimitSet.type_name
    rules = (Rule.UNKNOWN, Rule.NO_AUTHORITY)

    limit: Line = Field(description="The name of the limit: a part may have several.", examples=["thrust 27k"])
    cycles: Count | None = Field(default=None, examples=[20_000])
    minutes: Count | None = Field(default=None, description="Minutes of flight, not hours.", examples=[None])
    source: Line = Field(description="The document that sets it.", examples=["CMM 73-11-01 rev 4"])

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.cycles is None and self.minutes is None:
            raise ValueError("give the cycles, the minutes, or both")
        return self

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:
        """Yield what is unknown; a limit may be lower than what is used already."""
        return unknown(case, sorted(self._things()), draft, after)

    def said(self, case: Case) -> Decided:  # noqa: ARG002
        """Return the limit."""
        return PartLimitSet(
            things=self._named(), limit=self.limit, cycles=self.cycles, minutes=self.minutes, source=self.source
        )


class StateUtilisation(_Stating):
    """Tell how much an aircraft or an assembly flew in a time; it counts for all that was installed on it then.

    The same time stated again corrects it.
    """

    name = "state_utilisation"
    emits = UtilisationStated.type_name
    rules = (Rule.UNKNOWN, Rule.NO_AUTHORITY, Rule.USED_TWICE)

    things: Things = Field(min_length=1, max_length=1_000, examples=[[_ENGINE]])
    since: AwareDatetime = Field(examples=["2026-03-01T00:00:00Z"])
    until: AwareDatetime = Field(description="The first moment that is not counted.", examples=["2026-03-08T00:00:00Z"])
    cycles: Count = Field(examples=[14])
    minutes: Count = Field(description="Minutes of flight, not hours.", examples=[2_310])
    to: list[_Organisation] = Field(
        default=[], max_length=100, description="Who may see it too, by permanent name.", examples=[["shop.example"]]
    )

    def said(self, case: Case) -> Decided:
        """Return the utilisation; raises `InvalidInputError` (`command.time`) for a time that is not over."""
        since, until = _microseconds(self.since), _microseconds(self.until)
        if since >= until or until > case.at:
            raise InvalidInputError(
                "Utilisation is stated of a time that is over",
                code="command.time",
                hint="Give a `since` before the `until`, and an `until` that is not after the event_time.",
            )
        return UtilisationStated(
            things=self._named(), since=since, until=until, cycles=self.cycles, minutes=self.minutes
        )

    def seen_by(self, case: Case) -> set[str]:
        """Return who has or owns the things at that time, and who is named."""
        return super().seen_by(case) | set(self.to)

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:
        """Yield what is unknown, and what was told of a part of this time before."""
        yield from unknown(case, sorted(self._things()), draft, after)
        for thing in sorted(self._things()):
            yield from _added(case, thing, after, {Code.USED_TWICE: Rule.USED_TWICE})


class _Handling(NewEvent):
    """What is done with one part on an assembly."""

    part: Thing = Field(examples=[_PUMP])
    on: Thing = Field(description="The assembly or aircraft.", examples=[_ENGINE])

    def look(self, case: Case) -> None:
        """Read all about the part and the assembly, and what they were installed on."""
        _name(case, {thing_of(self.part), thing_of(self.on)})

    def _event(self, case: Case, action: str, step: str, disposition: str | None, **more: JSON) -> dict[str, JSON]:
        members: dict[str, JSON] = {
            "type": "AssociationEvent",
            "action": action,
            "bizStep": step,
            "disposition": disposition,
            "parentID": self.on,
            "childEPCs": [self.part],
        }
        return self.with_common(case, {**members, **more})

    def _faults_of_hands(self, draft: SeenEvent, after: Picture, *, holds: bool) -> Iterator[Fault]:
        """Yield who else has the part, where it is under way to, and what holds it."""
        part = thing_of(self.part)
        for alike, custody in after.drafted():
            if part not in alike:
                continue
            having = [one for one in custody.of(HoldingRole.CUSTODY) if one.until is None]
            if having and all(one.holder != draft.captured_by for one in having):
                yield Fault(Rule.NOT_CUSTODIAN, part, draft.position, having[0].opened_by)
            for shipment in custody.shipments[:1]:
                yield Fault(Rule.UNDER_WAY, part, draft.position, shipment.opened_by)
            for hold in custody.holds[:1] if holds else ():
                yield Fault(Rule.HELD, part, draft.position, hold.position)


class InstallPart(_Handling):
    """Install a part that is released, has life left and is not on hold, on an assembly or aircraft."""

    name = "install_part"
    emits = "AssociationEvent ADD, installing, active"
    rules = (
        Rule.UNKNOWN,
        Rule.ENDED,
        Rule.NOT_CUSTODIAN,
        Rule.UNDER_WAY,
        Rule.NO_AUTHORITY,
        Rule.HELD,
        Rule.NOT_RELEASED,
        Rule.INSTALLED,
        Rule.POSITION_TAKEN,
        Rule.NO_LIFE_LEFT,
        Rule.LIFE_NOT_PROVEN,
    )

    position: Line | None = Field(default=None, description="Where on the assembly, in your words.", examples=["left"])

    def said(self, case: Case) -> dict[str, JSON]:
        """Return the event."""
        return self._event(case, "ADD", "installing", "active", **{POSITION: self.position})

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:
        """Yield what speaks against it."""
        part, on = thing_of(self.part), thing_of(self.on)
        yield from unknown(case, sorted({part, on}), draft, after)
        yield from self._faults_of_hands(draft, after, holds=True)
        yield from _added(case, part, after)
        then = _seen(case, part, after)
        if then.life.limits and not then.life_is_proven:
            yield Fault(Rule.LIFE_NOT_PROVEN, part, draft.position, None)
        if self.position is not None:
            yield from self._faults_of_position(draft, after, part, on)

    def _faults_of_position(self, draft: SeenEvent, after: Picture, part: str, on: str) -> Iterator[Fault]:
        events = {entry.event.position: entry.event for entry in after.own(after.stands_for(on))}
        there = Containment(events.values()).of_parent(on, MarkKind.ASSOCIATION)
        mine = next((one.window for one in there if one.opened_by == draft.position), Window(draft.occurred_at, END))
        for other in there:
            opening = events[other.opened_by]
            same = (opening.view.extensions or {}).get(POSITION) == self.position
            if other.child != part and same and other.window.meet(mine):
                yield Fault(
                    Rule.POSITION_TAKEN, part, draft.position, opening.position, f", which put {other.child} there"
                )


class RemovePart(_Handling):
    """Remove a part from the assembly or aircraft that it is installed on; what is on hold may be removed too."""

    name = "remove_part"
    emits = "AssociationEvent DELETE, removing"
    rules = (Rule.ENDED, Rule.NOT_INSTALLED, Rule.NOT_CUSTODIAN, Rule.UNDER_WAY, Rule.NO_AUTHORITY)

    reason: _Text | None = Field(default=None, description="Why, in your words.", examples=["fuel leak"])

    def said(self, case: Case) -> dict[str, JSON]:
        """Return the event."""
        return self._event(case, "DELETE", "removing", None, **{REASON: self.reason})

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:
        """Yield what speaks against it, and a later removal that would have nothing left to remove."""
        part = thing_of(self.part)
        yield from self._faults_of_hands(draft, after, holds=False)
        yield from _added(case, part, after, {**_RULES, Code.NOT_INSTALLED: Rule.NOT_INSTALLED})


class ScrapPart(NewEvent):
    """Tell that parts were destroyed, so that nobody can use them again."""

    name = "scrap_part"
    emits = "ObjectEvent DELETE, destroying, destroyed"
    rules = (
        Rule.UNKNOWN,
        Rule.ENDED,
        Rule.NOT_CUSTODIAN,
        Rule.UNDER_WAY,
        Rule.NO_AUTHORITY,
        Rule.HELD,
        Rule.NOT_EMPTY,
        Rule.INSTALLED,
    )

    things: Things = Field(min_length=1, max_length=1_000, examples=_PUMPS)

    def look(self, case: Case) -> None:
        """Read all about the parts, and what is inside of them."""
        _name(case, things_of(self.things))
        case.around.look_inward(things_of(self.things), case.at)

    def said(self, case: Case) -> dict[str, JSON]:
        """Return one event for all."""
        members: dict[str, JSON] = {
            "type": "ObjectEvent",
            "action": "DELETE",
            "bizStep": "destroying",
            "disposition": "destroyed",
            "epcList": self.things,
        }
        return self.with_common(case, members)

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:
        """Yield what is unknown, or installed then or later, or released later."""
        things = sorted(things_of(self.things))
        yield from unknown(case, things, draft, after)
        for thing in things:
            for one in _installations(after, thing):
                if one.last >= case.at:
                    yield Fault(Rule.INSTALLED, thing, draft.position, one.opened_by)
            yield from _added(case, thing, after)


def _name(case: Case, things: AbstractSet[str]) -> None:
    """Read all about things, about what they were installed on, and so on."""
    case.around.name(things)
    level = things
    for _ in range(DEEPEST):
        nest = Containment(standing(case.around.events))
        level = {i.parent for thing in level for i in nest.of_child(thing, MarkKind.ASSOCIATION)} - case.around.named
        if not level:
            return
        case.around.name(level)


def _installations(picture: Picture, thing: str) -> Sequence[Interval]:
    return picture.nest.of_child(picture.stands_for(thing), MarkKind.ASSOCIATION)


def _seen(case: Case, part: str, picture: Picture) -> AircraftPart:
    return aircraft_part(picture.read, part, case.around.parties)[0]


def _added(case: Case, part: str, after: Picture, rules: Mapping[Code, Rule] = _RULES) -> Iterator[Fault]:
    """Yield what the command would make irregular about a part."""
    found = [one for one in _seen(case, part, after).irregularities if one.code in rules]
    if found:
        recorded = case.around.picture(case.at)
        before = _seen(case, part, recorded).irregularities if recorded.entries[recorded.stands_for(part)] else ()
        for one in found:
            if all((one.code, one.position) != (two.code, two.position) for two in before):
                yield Fault(rules[one.code], part, one.position, one.against)


def _microseconds(time: AwareDatetime) -> int:
    try:
        return (time.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)
    except OverflowError as error:
        raise InvalidInputError("This time is outside the years 1 to 9999 of UTC", code="command.time") from error
