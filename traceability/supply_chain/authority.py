"""Who may say what of a thing: each entry of a history is judged by what was known before it.

An organisation speaks with authority when, at that instant of event time,

- the company prefix of the thing's key is registered to it (`prefix`); where none is, when it was the first to make it
  (`commissioner`);
- it has the thing (`custodian`), owns it (`owner`), or is to receive it (`consignee`);
- it only observes and holds the place (`place`): neither custody nor containment moves, and nothing ends;
- nobody is seen to have made or had the thing: then who speaks first has it (`first_to_speak`). So has who fills a
  carrier (a logistic unit or an asset) that was used, is known to be empty, and is neither under way nor on hold nor
  offered to anybody: empty ones come back by ways that nobody records.

Whatever the right, where the register has a rule for the business step or decision it has to be met (`not_authorised`).
To make a thing takes the prefix, or to be the first, or to have the thing already. What anybody else says is a *claim*.
Whoever is shown more may judge otherwise: the judgement is part of a fold over what the reader sees.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Hashable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from msgspec.structs import replace

from traceability.supply_chain.about_things import Stated
from traceability.supply_chain.custody import Custody, CustodyFold
from traceability.supply_chain.decisions import (
    HoldingRole,
    HoldPlaced,
    HoldReleased,
    SeenDecision,
    TransferAccepted,
    TransferCancelled,
    TransferDeclined,
    TransferProposed,
)
from traceability.supply_chain.entry import Authority, ClaimReason, HistoryEntry
from traceability.supply_chain.item import ending, makes
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import AGGREGATION_EVENT, TRANSFORMATION_EVENT, Role, SeenEvent, is_class, is_lot
from traceability.supply_chain.standing import time_and_kind
from traceability.supply_chain.things import is_carrier
from traceability.supply_chain.transfers import Movement, Transfers, movement

Verdict = Authority | ClaimReason
_Speakers = tuple[tuple[int, int], frozenset[str]]


class Judged(NamedTuple):
    """A history with the right by which each entry was said, and who has the thing according to those that count.

    `speakers` are the organisations with authority over the thing from a place in the order of folds on, `folds` what
    was known of its custody before each entry, and after the last.
    """

    entries: list[HistoryEntry]
    custody: Custody
    speakers: Sequence[_Speakers]
    folds: Sequence[CustodyFold]

    def heard(self, event: SeenEvent) -> bool:
        """Tell whether who recorded an event had authority over the thing just before it, or nobody is known to."""
        before = bisect_left(self.speakers, time_and_kind(event), key=lambda known: known[0])
        speakers = self.speakers[before - 1][1] if before else frozenset[str]()
        return not speakers or event.captured_by in speakers


def judged(thing: str, entries: Sequence[HistoryEntry], parties: Parties) -> Judged:
    """Judge the entries of a thing's history, which are in the order of folds; never raises."""
    judge, found, speakers = Judge(thing, Transfers(parties)), list[HistoryEntry](), list[_Speakers]()
    folds, changes = [judge.fold.fork()], 0
    for entry in entries:
        found.append(heard := judge.hear(entry))
        if heard.counts:
            voices = judge.voices(entry.event.occurred_at)
            if not speakers or speakers[-1][1] != voices:
                speakers.append((time_and_kind(entry.event), voices))
        folds.append(folds[-1] if judge.changes == changes else judge.fold.fork())
        changes = judge.changes
    return Judged(found, judge.fold.custody(), speakers, folds)


_Contents = frozenset[tuple[str | None, Decimal | None, str | None]]
"""What is in a carrier: each thing, or (counted) the amount of it that was put in; None is what is hidden."""


class Change(NamedTuple):
    """What an event does to who has a thing, and to its `contents`; who `begins` is the first to speak of it."""

    makes: bool = False
    begins: bool = False
    ends: bool = False
    moves: Movement | None = None
    contents: _Contents | None = None


_MAKES: Final = Change(makes=True)


class Judge:
    """Hears what is said of one thing, in order; `changes` counts what changed who has it."""

    def __init__(self, thing: str, transfers: Transfers) -> None:
        self.fold = CustodyFold(transfers, shared=is_lot(thing) or is_class(thing))
        self.changes = 0
        self._thing = thing
        self._contents: _Contents | None = None
        self._transfers = transfers
        self._parties = transfers.parties

    @property
    def state(self) -> Hashable:
        """Return all that its verdicts depend on: what is in the thing, and the state of its fold."""
        return self._contents, self.fold.state

    def fork(self) -> Judge:
        """Return one that heard the same and may hear something else."""
        other = Judge.__new__(Judge)
        other.__dict__.update(self.__dict__, fold=self.fold.fork())
        return other

    def hear(self, entry: HistoryEntry) -> HistoryEntry:
        """Return an entry with the right by which it was said, or why it is a mere claim."""
        if not entry.stands:
            return entry
        if isinstance(entry.event, SeenDecision):
            verdict = self.decide(entry.event, entry.via)
        else:
            counted = entry.via is None and any(mention.class_level for mention in entry.mentions)
            verdict = self.tell(entry.event, _roles(self._thing, entry), own=entry.via is None, counted=counted)
        if isinstance(verdict, ClaimReason):
            return replace(entry, authority=Authority.CLAIM, reason=verdict)
        return replace(entry, authority=verdict)

    def decide(self, decision: SeenDecision, via: str | None) -> Verdict:
        """Hear a decision, about the thing or (`via`) about a container that it was in."""
        action, at = decision.type.split(".")[1], decision.occurred_at
        if self._parties.is_ruled(action, at):
            partner = self.fold.other_side(decision)
            if not self._parties.authorised(decision.captured_by, action, at, partner):
                return ClaimReason.NOT_AUTHORISED
        verdict = self._on_decision(decision)
        if isinstance(verdict, Authority):
            self.changes += 1
            self._first(verdict, decision)
            self.fold.decide(decision, verdict, via)
        return verdict

    def tell(self, event: SeenEvent, roles: Collection[Role], *, own: bool, counted: bool) -> Verdict:
        """Hear an event of the thing itself, or else of a container that it was in.

        `roles` are those of this very thing and not of a quantity, but for outputs; `counted` tells of a quantity.
        """
        self.fold.shared |= counted and self._transfers.authorised(event)
        verdict, change = self.consider(event, roles, own=own)
        if change is not None:
            self.carry_out(change, event)
        return verdict

    def consider(self, event: SeenEvent, roles: Collection[Role], *, own: bool) -> tuple[Verdict, Change | None]:
        """Return by what right an event is said, and what it does to who has the thing: None for a claim and nothing.

        `roles` and `own` as for `tell`.
        """
        if not self._transfers.authorised(event):
            return ClaimReason.NOT_AUTHORISED, None
        if own and makes(event, roles):
            made = self._right_to_make(event)
            return made, (_MAKES if isinstance(made, Authority) else None)
        ends = own and not self.fold.shared and ending(event, roles) is not None
        moves = None if ends else movement(event)
        verdict = self._right(event, moves, ends=ends)
        begins = verdict is Authority.FIRST_TO_SPEAK and self.fold.unclaimed
        contents = self._contents_after(event) if own and Role.PARENT in roles else None
        if contents is not None and verdict is ClaimReason.NO_AUTHORITY and self._is_found_empty(event):
            verdict, begins = Authority.FIRST_TO_SPEAK, True
        if isinstance(verdict, ClaimReason) or not (begins or ends or moves or contents is not None):
            return verdict, None
        return verdict, Change(begins=begins, ends=ends, moves=moves, contents=contents)

    def carry_out(self, change: Change, event: SeenEvent) -> None:
        """Take in what an event does."""
        self.changes += 1
        if change.makes:
            self.fold.make(event)
        if change.begins:
            self.fold.begin(event)
        if change.contents is not None:
            self._contents = change.contents
        if change.ends:
            self.fold.end(event)
        elif change.moves is not None:
            self.fold.move(change.moves, event)

    def heeds(self, event: SeenEvent) -> bool:
        """Tell whether who recorded an event has authority over the thing now, or nobody is known to."""
        voices = self.voices(event.occurred_at)
        return not voices or event.captured_by in voices

    def voices(self, at: int) -> frozenset[str]:
        """Return who has authority over the thing."""
        holder = self._parties.prefix_holder(self._thing, at)
        maker = self.fold.commissioner if holder is None else holder
        voices = self.fold.voices()
        return frozenset(voices if maker is None else {*voices, maker})

    def _first(self, verdict: Verdict, event: SeenEvent) -> None:
        if verdict is Authority.FIRST_TO_SPEAK and self.fold.unclaimed:
            self.fold.begin(event)

    def _right_to_make(self, event: SeenEvent) -> Verdict:
        who = event.captured_by
        holder = self._parties.prefix_holder(self._thing, event.occurred_at)
        if holder == who:
            return Authority.PREFIX
        if holder is None and (self.fold.commissioner in (None, who) or is_class(self._thing)):
            return Authority.COMMISSIONER
        return self._holding(who) or (ClaimReason.MADE_BY_ANOTHER if holder is None else ClaimReason.PREFIX_OF_ANOTHER)

    def _right(self, event: SeenEvent, moves: Movement | None, *, ends: bool) -> Verdict:
        who, fold = event.captured_by, self.fold
        right = self._standing_right(who, event.occurred_at)
        if right is not None:
            return right
        takes = moves is Movement.RECEIVE and any(shipment.to is None for shipment in fold.shipments)
        if takes or fold.expects(who):
            return Authority.CONSIGNEE
        if event.action == "OBSERVE" and moves is None and not ends and self._transfers.is_at_home(event):
            return Authority.PLACE
        return Authority.FIRST_TO_SPEAK if fold.unclaimed else ClaimReason.NO_AUTHORITY

    def _standing_right(self, who: str, at: int) -> Authority | None:
        """Return the right that does not depend on what is said."""
        holder = self._parties.prefix_holder(self._thing, at)
        if holder == who:
            return Authority.PREFIX
        if holder is None and self.fold.commissioner == who:
            return Authority.COMMISSIONER
        return self._holding(who)

    def _holding(self, who: str) -> Authority | None:
        if self.fold.has(HoldingRole.CUSTODY, who):
            return Authority.CUSTODIAN
        return Authority.OWNER if self.fold.has(HoldingRole.OWNERSHIP, who) else None

    def _contents_after(self, event: SeenEvent) -> _Contents | None:
        """Return what is in a carrier after an event that fills or unpacks it; None for any other event or thing."""
        if event.type != AGGREGATION_EVENT or event.action == "OBSERVE" or not is_carrier(self._thing):
            return None
        if event.empties:
            return frozenset()
        told = [mention for mention in event.mentions if mention.role is Role.CHILD]
        named = frozenset((m.thing, m.quantity, m.uom) if m.class_level else (m.thing, None, None) for m in told)
        before = self._contents
        if event.action == "DELETE":
            return None if before is None else before - named
        return (before or frozenset()) | (named if event.whole else {*named, (None, None, None)})

    def _is_found_empty(self, event: SeenEvent) -> bool:
        fold = self.fold
        waits = fold.shipments or fold.holds or fold.proposals
        return event.action == "ADD" and self._contents == frozenset() and not waits

    def _on_decision(self, decision: SeenDecision) -> Verdict:
        said, who = decision.payload, decision.captured_by
        match said:
            case TransferProposed():
                return self._right_to_propose(said, who)
            case TransferAccepted() | TransferDeclined() | TransferCancelled():
                return self._right_to_answer(said, who)
            case HoldReleased():
                hold = self.fold.holds.get((said.hold, who))
                if hold is not None:
                    return hold.authority
                named = any(name == said.hold for name, _ in self.fold.holds)
                return ClaimReason.NOT_ITS_PLACER if named else ClaimReason.NO_SUCH_HOLD
            case HoldPlaced() | Stated():
                return self._right(decision, None, ends=False)

    def _right_to_propose(self, said: TransferProposed, who: str) -> Verdict:
        if self.fold.unclaimed and said.issuer == who:
            return Authority.FIRST_TO_SPEAK
        if said.issuer != who and not self.fold.speaks_for(said.role, said.issuer, who):
            return ClaimReason.NOT_ITS_ISSUER
        return _RIGHTS[said.role] if self.fold.may_give(said.role, who) else ClaimReason.ISSUER_WITHOUT_ROLE

    def _right_to_answer(self, said: TransferAccepted | TransferDeclined | TransferCancelled, who: str) -> Verdict:
        proposal = self.fold.proposals.get(said.proposal)
        if proposal is None:
            return ClaimReason.NO_SUCH_PROPOSAL
        if isinstance(said, TransferCancelled):
            return _RIGHTS[proposal.role] if who == proposal.proposed_by else ClaimReason.NOT_ITS_ISSUER
        if who != proposal.receiver:
            return ClaimReason.NOT_ITS_RECEIVER
        if isinstance(said, TransferAccepted) and not self.fold.may_give(proposal.role, proposal.proposed_by):
            return ClaimReason.ISSUER_WITHOUT_ROLE
        return Authority.CONSIGNEE


_RIGHTS = {HoldingRole.CUSTODY: Authority.CUSTODIAN, HoldingRole.OWNERSHIP: Authority.OWNER}


def _roles(thing: str, entry: HistoryEntry) -> set[Role]:
    """Return the parts of the thing itself and not of a quantity; of a lot those of its members."""
    if entry.mentions:
        return {mention.role for mention in entry.mentions if not mention.class_level or mention.role is Role.OUTPUT}
    if entry.via is None and entry.event.type == TRANSFORMATION_EVENT:
        lots = entry.event.memberships
        return {mention.role for mention in entry.event.mentions if lots.get(mention.thing) == thing}
    return set()
