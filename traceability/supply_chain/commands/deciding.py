"""Commands that decide what no EPCIS event says: transfers of custody and ownership, holds, customs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, StringConstraints

from traceability.ledger.access import is_organisation_name
from traceability.supply_chain.commands.body import Case, Things, ThingsOrLots, Timed, things_of, unknown
from traceability.supply_chain.commands.picture import Picture
from traceability.supply_chain.commands.refusal import Fault, Rule
from traceability.supply_chain.days import day_at
from traceability.supply_chain.decisions import (
    Decided,
    HoldingRole,
    HoldPlaced,
    HoldReleased,
    TransferAccepted,
    TransferCancelled,
    TransferDeclined,
    TransferProposed,
)
from traceability.supply_chain.lot.certificates import certificates_in, in_force, missing
from traceability.supply_chain.lot.terms import Lack
from traceability.supply_chain.seen import SeenEvent

_Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S+$")]
_Reason = Annotated[str, StringConstraints(min_length=1, max_length=500)]
_Kind = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_NOTES: Final = {
    Lack.CERTIFICATE_MISSING: "no certificate of the kind {} is recorded",
    Lack.CERTIFICATE_NOT_VALID: ", with a certificate of the kind {} that is not valid at that time",
    Lack.CERTIFICATE_ADVERSE: ", with a certificate of the kind {} that is adverse",
}


def _organisation(text: str) -> str:
    if not is_organisation_name(text):
        raise ValueError("this is no name of an organisation")
    return text


class _Deciding(Timed):
    """A decision about things, which is told of what is inside of them too."""

    things: Things = Field(min_length=1, description="Items and logistic units.")

    def look(self, case: Case) -> None:
        """Read all about the things."""
        case.around.name(things_of(self.things))

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:
        """Yield what nothing is known of."""
        return unknown(case, sorted(things_of(self.things)), draft, after)

    def names(self) -> tuple[str, ...]:
        """Return the names of the things."""
        return tuple(sorted(things_of(self.things)))

    def seen_by(self, case: Case) -> set[str]:
        """Return who may see it too: who has or owns the things at that time, and to whom they are offered."""
        picture = case.around.picture(case.at)
        own = {picture.stands_for(thing) for thing in self.names()}
        custodies = [picture.custody_at(first, case.at) for first in own]
        holders = {holder for one in custodies for role in HoldingRole for holder in one.holders(role)}
        return holders | {offered.receiver for one in custodies for offered in one.proposals}

    def look_inside(self, case: Case) -> None:
        """Read all about what is inside of the things too, which may be on hold."""
        case.around.name(case.around.look_inward(case.around.named, case.at))


class ProposeTransfer(_Deciding):
    """Offer custody or ownership of things to another organisation; nothing moves before it accepts."""

    name = "propose_transfer"
    emits = "supply_chain.transfer_proposed.v1"
    rules = (Rule.UNKNOWN, Rule.ENDED, Rule.ISSUER_WITHOUT_ROLE, Rule.PROPOSED_BEFORE, Rule.UNDER_WAY, Rule.HELD)

    role: HoldingRole
    to: Annotated[str, AfterValidator(_organisation)] = Field(
        description="The receiver, by its permanent name.", examples=["store.example"]
    )
    proposal: _Name | None = Field(default=None, description="A name of your own for it; a new one if left out.")

    def look(self, case: Case) -> None:
        """Read all about the things and, where they are to change hands, what is inside of them."""
        super().look(case)
        if self.role is HoldingRole.CUSTODY:
            self.look_inside(case)

    def said(self, case: Case) -> Decided:
        """Return the proposal."""
        return TransferProposed(
            things=self.names(),
            proposal=self.proposal or case.new_name(),
            role=self.role,
            issuer=case.organisation,
            receiver=self.to,
        )

    def seen_by(self, case: Case) -> set[str]:  # noqa: ARG002
        """Return who may see it too: the receiver."""
        return {self.to}

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:
        """Yield what is unknown, under way, on hold, or offered to the receiver or under this name already."""
        yield from super().breaks(case, draft, after)
        for alike, custody in after.drafted():
            for one in alike:
                if self.role is HoldingRole.CUSTODY and custody.shipments:
                    yield Fault(Rule.UNDER_WAY, one, draft.position, custody.shipments[0].opened_by)
                if self.role is HoldingRole.CUSTODY and custody.holds:
                    yield Fault(Rule.HELD, one, draft.position, custody.holds[0].position)
                for open_ in custody.proposals:
                    if (open_.role, open_.receiver) == (self.role, self.to) or open_.proposal == self.proposal:
                        yield Fault(Rule.PROPOSED_BEFORE, one, draft.position, open_.position)


class _Answering(_Deciding):
    """An answer to a proposal, for some of its things or all."""

    proposal: _Name = Field(description="The name of the proposal.", examples=["urn:uuid:019ca877-0c1b-7000-8000-0001"])

    def seen_by(self, case: Case) -> set[str]:
        """Return who may see it too: both sides of the proposal."""
        picture = case.around.picture(case.at)
        custodies = {first: picture.custody_at(first, case.at) for first in picture.entries}
        return {
            name
            for one in custodies.values()
            for proposal in one.proposals
            if proposal.proposal == self.proposal
            for name in (proposal.issuer, proposal.receiver, proposal.proposed_by)
        }


class AcceptTransfer(_Answering):
    """Accept what was offered to you: it is yours from then on, if the issuer still has it."""

    name = "accept_transfer"
    emits = "supply_chain.transfer_accepted.v1"
    rules = (
        Rule.UNKNOWN,
        Rule.ENDED,
        Rule.NO_SUCH_PROPOSAL,
        Rule.NOT_ITS_RECEIVER,
        Rule.ISSUER_WITHOUT_ROLE,
        Rule.UNDER_WAY,
        Rule.HELD,
    )

    def look(self, case: Case) -> None:
        """Read all about the things and what is inside of them."""
        super().look(case)
        self.look_inside(case)

    def said(self, case: Case) -> Decided:  # noqa: ARG002
        """Return the answer."""
        return TransferAccepted(things=self.names(), proposal=self.proposal)

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:
        """Yield what is unknown, or was sent to somebody since custody of it was offered."""
        yield from super().breaks(case, draft, after)
        for alike, custody in after.drafted():
            offered = any(o.proposal == self.proposal and o.role is HoldingRole.CUSTODY for o in custody.proposals)
            for one in alike if offered and custody.shipments else ():
                yield Fault(Rule.UNDER_WAY, one, draft.position, custody.shipments[0].opened_by)


class DeclineTransfer(_Answering):
    """Decline what was offered to you."""

    name = "decline_transfer"
    emits = "supply_chain.transfer_declined.v1"
    rules = (Rule.UNKNOWN, Rule.NO_SUCH_PROPOSAL, Rule.NOT_ITS_RECEIVER)

    reason: _Reason | None = None

    def said(self, case: Case) -> Decided:  # noqa: ARG002
        """Return the answer."""
        return TransferDeclined(things=self.names(), proposal=self.proposal, reason=self.reason)


class CancelTransfer(_Answering):
    """Take back an offer of yours that was not answered."""

    name = "cancel_transfer"
    emits = "supply_chain.transfer_cancelled.v1"
    rules = (Rule.UNKNOWN, Rule.NO_SUCH_PROPOSAL, Rule.NOT_ITS_ISSUER)

    reason: _Reason | None = None

    def said(self, case: Case) -> Decided:  # noqa: ARG002
        """Return the answer."""
        return TransferCancelled(things=self.names(), proposal=self.proposal, reason=self.reason)


class _OfHolds(_Deciding):
    """The beginning or end of a hold, on lots too: of a lot it holds what is counted, not its members with serials."""

    things: ThingsOrLots = Field(min_length=1, description="Items, logistic units and lots.")


class _Holding(_OfHolds):
    """The beginning of a hold."""

    rules = (Rule.UNKNOWN, Rule.ENDED, Rule.NO_AUTHORITY, Rule.HELD)

    def look(self, case: Case) -> None:
        """Read all about the things and what is inside of them, which a hold of the past holds too."""
        super().look(case)
        self.look_inside(case)


class PlaceHold(_Holding):
    """Keep things, and what is inside of them, where they are, until the hold is released."""

    name = "place_hold"
    emits = "supply_chain.hold_placed.v1"

    kind: _Name = Field(default="quality", description="A word such as quality, compliance or recall.")
    reason: _Reason
    hold: _Name | None = Field(default=None, description="A name of your own for it; a new one if left out.")

    def said(self, case: Case) -> Decided:
        """Return the hold."""
        return HoldPlaced(things=self.names(), hold=self.hold or case.new_name(), kind=self.kind, reason=self.reason)


class _Releasing(_OfHolds):
    """The end of a hold, if the certificates that it `requires` are there."""

    emits = "supply_chain.hold_released.v1"
    rules = (Rule.UNKNOWN, Rule.NO_SUCH_HOLD, Rule.NOT_ITS_PLACER, Rule.NOT_CERTIFIED)

    requires: list[_Kind] = Field(
        default=[],
        max_length=20,
        description="Kinds of certificates that each thing needs.",
        examples=[["phytosanitary"]],
    )

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:
        """Yield what is unknown, and of what a certificate is missing, not valid at that time, or adverse."""
        yield from super().breaks(case, draft, after)
        for thing in self.names() if self.requires else ():
            told = [
                certificate
                for entry in after.entries[after.stands_for(thing)]
                if entry.counts and entry.event.occurred_at <= case.at
                for certificate in certificates_in(entry.event)
            ]
            for lack in missing(in_force(told), self.requires, day_at(case.at)):
                note = _NOTES[lack.lack].format(lack.kind)
                yield Fault(Rule.NOT_CERTIFIED, thing, draft.position, lack.position, note)


class ReleaseHold(_Releasing):
    """Let things go that you keep where they are."""

    name = "release_hold"

    hold: _Name = Field(description="The name of the hold.")
    reason: _Reason | None = None

    def said(self, case: Case) -> Decided:  # noqa: ARG002
        """Return the release."""
        return HoldReleased(things=self.names(), hold=self.hold, reason=self.reason)


class CustomsEntry(_Holding):
    """Put things under customs: they stay where they are until they are released under the same declaration."""

    name = "customs_entry"
    emits = "supply_chain.hold_placed.v1 of the kind customs"
    kind: ClassVar[str] = "customs"

    declaration: _Name = Field(description="The number of the declaration.", examples=["26DE0001"])

    def said(self, case: Case) -> Decided:  # noqa: ARG002
        """Return the hold."""
        reason = f"customs declaration {self.declaration}"
        return HoldPlaced(things=self.names(), hold=_customs(self.declaration), kind=self.kind, reason=reason)


class CustomsRelease(_Releasing):
    """Tell that customs released the things of a declaration."""

    name = "customs_release"

    declaration: _Name = Field(description="The number of the declaration.", examples=["26DE0001"])
    release: _Reason = Field(description="The number of the release, or what else stands for it.")

    def said(self, case: Case) -> Decided:  # noqa: ARG002
        """Return the release."""
        return HoldReleased(things=self.names(), hold=_customs(self.declaration), reason=f"released: {self.release}")


def _customs(declaration: str) -> str:
    return f"customs:{declaration}"
