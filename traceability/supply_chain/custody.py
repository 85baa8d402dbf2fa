"""Who has a thing and whose it is, as intervals of event time; where it is under way to; what holds it.

The rules, over the events that count, in the order of folds:

- Who makes a thing has and owns it, unless the event names a possessing or owning party. Who spoke of it before that,
  first of all, has it only until then.
- Shipping opens a shipment to the party that is to possess it, else to own it, else whose place it goes to; where none
  of them is told, to whoever receives it. The shipper stays custodian. Shipping without a destination while a shipment
  is open is a leg of it.
- Receiving gives custody to the possessing party that it names, else to who received it, and closes the shipment. What
  was sent to nobody in particular may go on from where it arrived or was accepted: only the step `receiving` closes it.
- Receiving gives ownership to the owning party that it names, or to a receiver who was to own the goods. What a carrier
  took over is under way until who is to own it has it. (Sources and destinations are the ends of a whole business
  transfer, which several events may name, so they move nothing before it is over.)
- Sending back turns an open shipment round, or opens one to who had the thing before.
- A transfer that is proposed and accepted gives custody or ownership at the instant of acceptance.
- The end of a thing ends its holdings.
- Of a lot or class everybody who ever had some may still have some: holdings add up, and shipments too.

A container's events and decisions are told of what is inside, so what is inside shares them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import msgspec
from msgspec.structs import replace

from traceability.supply_chain.about_things import Stated
from traceability.supply_chain.decisions import (
    HoldingRole,
    HoldPlaced,
    HoldReleased,
    SeenDecision,
    TransferAccepted,
    TransferProposed,
)
from traceability.supply_chain.entry import Authority
from traceability.supply_chain.seen import SeenEvent
from traceability.supply_chain.transfers import Movement, Party, Transfers


class Holding(msgspec.Struct, frozen=True):
    """`holder` had custody or ownership from `since` until before `until` (µs UTC), None while it has.

    `opened_by` and `closed_by` are positions. A holder is an organisation by its permanent name, else a party by URI;
    `voice` is the organisation that speaks for it.
    """

    role: HoldingRole
    holder: str
    voice: str
    since: int
    until: int | None
    opened_by: int
    closed_by: int | None


class Shipment(msgspec.Struct, frozen=True):
    """The thing is on its way since an instant (µs UTC), as the event at `opened_by` says.

    `shipper` had it then. `to` is to have it and `owner` to own it: None where that is not told.
    """

    shipper: str | None
    to: str | None
    owner: str | None
    since: int
    opened_by: int

    def is_for(self, organisation: str) -> bool:
        """Tell whether an organisation is to receive it, as somebody who is named or because nobody is."""
        return organisation in (self.to, self.owner) or self.to is None


class Hold(msgspec.Struct, frozen=True):
    """The thing must stay where it is since an instant (µs UTC), says `placed_by` by the right of its `authority`.

    `via` is the container that the hold was placed on.
    """

    hold: str
    kind: str
    reason: str
    placed_by: str
    authority: Authority
    since: int
    position: int
    via: str | None = None


class Proposal(msgspec.Struct, frozen=True):
    """A transfer that is offered and not answered; `proposed_by` is the issuer, or who speaks for it."""

    proposal: str
    role: HoldingRole
    issuer: str
    receiver: str
    proposed_by: str
    since: int
    position: int


class Custody(msgspec.Struct, frozen=True):
    """What a history says of who has a thing: holdings by their beginning, and the shipments, holds and proposals open.

    More than one shipment is open only of a lot or class.
    """

    holdings: tuple[Holding, ...] = ()
    shipments: tuple[Shipment, ...] = ()
    holds: tuple[Hold, ...] = ()
    proposals: tuple[Proposal, ...] = ()

    def of(self, role: HoldingRole) -> tuple[Holding, ...]:
        """Return the holdings of one role."""
        return tuple(holding for holding in self.holdings if holding.role is role)

    def holders(self, role: HoldingRole) -> tuple[str, ...]:
        """Return who has the role now."""
        return tuple(holding.holder for holding in self.of(role) if holding.until is None)


class _Held(msgspec.Struct, frozen=True):
    party: Party
    since: int
    position: int


class CustodyFold:
    """Custody in the making: it is told the events and decisions that count, in order.

    `shared` is true for what is a lot or class, and as soon as some of it is counted.
    """

    def __init__(self, transfers: Transfers, *, shared: bool) -> None:
        self.shared = shared
        self.commissioner: str | None = None
        self.shipments: list[Shipment] = []
        self.holds: dict[tuple[str, str], Hold] = {}  # by name and placer: two may choose one name
        self.proposals: dict[str, Proposal] = {}
        self._transfers = transfers
        self._held: dict[HoldingRole, dict[str, _Held]] = {role: {} for role in HoldingRole}
        self._closed: list[Holding] = []
        self._last: dict[HoldingRole, Party] = {}
        self._before: Party | None = None
        self._first_to_speak: str | None = None

    @property
    def state(self) -> Hashable:
        """Return what its answers depend on, now and after whatever it is told, instants and positions apart.

        Of what is `shared` the order is kept in which it came to somebody, and in which shipments were opened; holds
        and proposals are kept whole.
        """
        return (
            self.shared,
            self.commissioner,
            tuple([(shipment.shipper, shipment.to, shipment.owner) for shipment in self.shipments]),
            tuple(self.holds.values()),
            tuple(self.proposals.values()),
            tuple([tuple([held.party for held in those.values()]) for those in self._held.values()]),
            tuple([self._last.get(role) for role in HoldingRole]),
            self._before,
            self._first_to_speak,
        )

    def fork(self) -> CustodyFold:
        """Return one that was told the same and may be told something else."""
        other = CustodyFold.__new__(CustodyFold)
        other.__dict__.update(
            self.__dict__,
            shipments=self.shipments.copy(),
            holds=self.holds.copy(),
            proposals=self.proposals.copy(),
            _held={role: held.copy() for role, held in self._held.items()},
            _closed=self._closed.copy(),
            _last=self._last.copy(),
        )
        return other

    def custody(self, *, ended: bool = True) -> Custody:
        """Return what is known after what was told so far; with the holdings that have `ended`, or without."""
        still = [
            Holding(role, held.party.name, held.party.voice, held.since, None, held.position, None)
            for role, those in self._held.items()
            for held in those.values()
        ]
        known = (*self._closed, *still) if ended else still
        holdings = sorted(known, key=lambda holding: (holding.since, holding.role, holding.holder))
        open_ = tuple(self.shipments), tuple(self.holds.values()), tuple(self.proposals.values())
        return Custody(tuple(holdings), *open_)

    def has(self, role: HoldingRole, organisation: str) -> bool:
        """Tell whether an organisation has the role, speaks for who has it, or was the last to have it."""
        held = self._held[role]
        if held:
            return any(organisation in (one.party.name, one.party.voice) for one in held.values())
        last = self._last.get(role)
        return last is not None and organisation in (last.name, last.voice)

    def is_held_by(self, organisation: str) -> bool:
        """Tell whether an organisation has the thing, speaks for who has it, or nobody has it."""
        held = self._held[HoldingRole.CUSTODY].values()
        return not held or any(organisation in (one.party.name, one.party.voice) for one in held)

    @property
    def unclaimed(self) -> bool:
        """Tell whether nobody is known to have made or had the thing."""
        return self.commissioner is None and not self._last

    def may_give(self, role: HoldingRole, organisation: str) -> bool:
        """Tell whether an organisation can transfer the role; who has what nobody is known to own may sell it."""
        unowned = role is HoldingRole.OWNERSHIP and role not in self._last
        return self.has(HoldingRole.CUSTODY if unowned else role, organisation)

    def speaks_for(self, role: HoldingRole, holder: str, organisation: str) -> bool:
        """Tell whether an organisation speaks for a party that has the role and is none of this ledger."""
        held = self._held[role].get(holder)
        return held is not None and held.party.voice == organisation

    def expects(self, organisation: str) -> bool:
        """Tell whether something under way is addressed to an organisation."""
        return any(organisation in (shipment.to, shipment.owner) for shipment in self.shipments)

    def other_side(self, decision: SeenDecision) -> str | None:
        """Return with whom the maker of a decision means to deal, None where it names nobody else."""
        said = decision.payload
        ends: TransferProposed | Proposal | None
        match said:
            case TransferProposed():
                ends = said
            case HoldPlaced() | HoldReleased() | Stated():
                ends = None
            case _:
                ends = self.proposals.get(said.proposal)
        names = [] if ends is None else [ends.receiver, ends.issuer]
        return next((name for name in names if name != decision.captured_by), None)

    def voices(self) -> set[str]:
        """Return who has the thing, had it last, owns it or is to receive it, and who speaks for them."""
        found = {name for shipment in self.shipments for name in (shipment.to, shipment.owner) if name is not None}
        for role, last in self._last.items():
            for party in [held.party for held in self._held[role].values()] or [last]:
                found.update((party.name, party.voice))
        return found

    def make(self, event: SeenEvent) -> None:
        """Tell that the thing was made."""
        speaker = Party(event.captured_by, event.captured_by)
        self.commissioner = self.commissioner or event.captured_by
        ends = self._transfers.ends(event)
        if self._first_to_speak is not None:
            held = self._held[HoldingRole.CUSTODY].pop(self._first_to_speak, None)
            if held is not None:
                self._let_go(HoldingRole.CUSTODY, held, event)
            self._first_to_speak = None
        self._give(HoldingRole.CUSTODY, ends.possessor or ends.possessor_before or speaker, event)
        self._give(HoldingRole.OWNERSHIP, ends.owner or ends.owner_before or speaker, event)
        if not self.shared:
            self.shipments.clear()

    def begin(self, event: SeenEvent) -> None:
        """Tell that somebody spoke of the thing of which nothing else is known; he has it until it is made."""
        self._first_to_speak = event.captured_by
        self._give(HoldingRole.CUSTODY, Party(event.captured_by, event.captured_by), event)

    def end(self, event: SeenEvent) -> None:
        """Tell that the thing ended."""
        for role in HoldingRole:
            self._close(role, event)
        self.shipments.clear()

    def move(self, how: Movement, event: SeenEvent) -> None:
        """Tell that the thing was shipped, received, sent back, or not shipped after all."""
        match how:
            case Movement.SHIP:
                self._ship(event)
            case Movement.RECEIVE:
                self._receive(event)
            case Movement.SEND_BACK:
                self._send_back(event)
            case Movement.VOID:
                for place in range(len(self.shipments) - 1, -1, -1):
                    if not self.shared or self.shipments[place].shipper == event.captured_by:
                        del self.shipments[place]
                        break

    def decide(self, decision: SeenDecision, authority: Authority, via: str | None) -> None:
        """Tell a decision that its maker had the right to take."""
        said, who, at = decision.payload, decision.captured_by, decision.occurred_at
        match said:
            case TransferProposed():
                ends = said.issuer, said.receiver
                proposal = Proposal(said.proposal, said.role, *ends, who, at, decision.position)
                self.proposals.setdefault(said.proposal, proposal)
            case HoldPlaced():
                hold = Hold(said.hold, said.kind, said.reason, who, authority, at, decision.position, via)
                known = self.holds.get((said.hold, who))
                if known is None or (known.via is not None and via is None):  # it holds outside of the container too
                    self.holds[said.hold, who] = hold
            case HoldReleased():
                del self.holds[said.hold, who]
            case Stated():
                pass
            case _:
                proposal = self.proposals.pop(said.proposal)
                if isinstance(said, TransferAccepted):
                    self._give(proposal.role, Party(proposal.receiver, proposal.receiver), decision)

    def _ship(self, event: SeenEvent) -> None:
        ends = self._transfers.ends(event)
        to = ends.possessor or ends.owner or ends.place
        if ends.owner_before is not None and not self._held[HoldingRole.OWNERSHIP]:
            self._give(HoldingRole.OWNERSHIP, ends.owner_before, event)
        shipment = Shipment(
            shipper=next(iter(self._held[HoldingRole.CUSTODY]), None),
            to=None if to is None else to.name,
            owner=None if ends.owner is None else ends.owner.name,
            since=event.occurred_at,
            opened_by=event.position,
        )
        if self.shared:
            self.shipments.append(replace(shipment, shipper=event.captured_by))
        elif not self.shipments or (to is not None and _ends_of(self.shipments[0]) != _ends_of(shipment)):
            self.shipments = [shipment]

    def _receive(self, event: SeenEvent) -> None:
        ends, speaker = self._transfers.ends(event), Party(event.captured_by, event.captured_by)
        shipment = self._shipment_for(event.captured_by)
        receiver = ends.possessor or speaker
        if ends.possessor is None and shipment is not None and not shipment.is_for(speaker.name):
            # Who shipped it, or speaks for who is to have it, says that it has arrived there.
            receiver = _named_before(shipment.to or speaker.name, event)
        self._give(HoldingRole.CUSTODY, receiver, event)
        owner = ends.owner
        if owner is None and shipment is not None and shipment.owner == receiver.name:
            owner = receiver
        if owner is not None:
            self._give(HoldingRole.OWNERSHIP, owner, event)
        if shipment is not None:
            self._have_received(shipment, event, of_owner=owner is not None)

    def _have_received(self, shipment: Shipment, event: SeenEvent, *, of_owner: bool) -> None:
        place = self.shipments.index(shipment)
        if shipment.owner is not None and not of_owner:
            self.shipments[place] = replace(shipment, to=shipment.owner)
        # Of what was sent to nobody in particular, nobody knows that where it arrived is where it was to go.
        elif of_owner or shipment.to is not None or event.head.bizStep == "receiving":
            del self.shipments[place]

    def _send_back(self, event: SeenEvent) -> None:
        ends, shipment = self._transfers.ends(event), self._shipment_for(event.captured_by)
        had = next(iter(self._held[HoldingRole.CUSTODY]), None)
        back = self._before.name if self._before is not None else None
        if shipment is not None:
            self.shipments.remove(shipment)
            had, back = shipment.shipper, shipment.shipper
        to = ends.possessor or ends.owner or ends.place
        turned = Shipment(had, back if to is None else to.name, None, event.occurred_at, event.position)
        self.shipments = [*self.shipments, turned] if self.shared else [turned]

    def _shipment_for(self, organisation: str) -> Shipment | None:
        """Return the shipment that an organisation can mean: one to itself before one to another."""
        addressed = [shipment for shipment in self.shipments if shipment.is_for(organisation)]
        return next(iter(addressed or self.shipments), None)

    def _give(self, role: HoldingRole, party: Party, event: SeenEvent) -> None:
        held = self._held[role]
        known = held.get(party.name)
        if known is None and not self.shared:
            self._close(role, event)
        since, position = (event.occurred_at, event.position) if known is None else (known.since, known.position)
        held[party.name] = _Held(party, since, position)
        self._last[role] = party

    def _close(self, role: HoldingRole, event: SeenEvent) -> None:
        for held in self._held[role].values():
            if role is HoldingRole.CUSTODY:
                self._before = held.party
            self._let_go(role, held, event)
        self._held[role].clear()

    def _let_go(self, role: HoldingRole, held: _Held, event: SeenEvent) -> None:
        if held.since < event.occurred_at:  # what passes through somebody's hands in no time was not there
            ended = (event.occurred_at, held.position, event.position)
            self._closed.append(Holding(role, held.party.name, held.party.voice, held.since, *ended))


def _named_before(name: str, event: SeenEvent) -> Party:
    """Return the party of a name that was known before: an organisation, which speaks for itself, or a URI."""
    return Party(name, event.captured_by if ":" in name else name)


def _ends_of(shipment: Shipment) -> tuple[str | None, str | None]:
    return shipment.to, shipment.owner


def holds_in(custody: Custody, containers: Iterable[str]) -> Custody:
    """Return custody without the holds of containers that the thing is no longer in."""
    inside = set(containers)
    return replace(custody, holds=tuple(hold for hold in custody.holds if hold.via is None or hold.via in inside))
