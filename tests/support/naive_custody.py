"""Who has a thing and who may speak of it, in the plainest form: everything read, every verdict from the beginning on.

Only what is compared is told: for each event its right or reason, holdings, open shipments, holds and proposals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from adapters.memory.provenance import MemoryProvenance
from tests.support.naive import FOREVER, naive_intervals
from traceability.ledger.index import MarkKind
from traceability.supply_chain.about_things import Stated
from traceability.supply_chain.decisions import (
    HoldPlaced,
    HoldReleased,
    SeenDecision,
    TransferAccepted,
    TransferCancelled,
    TransferDeclined,
    TransferProposed,
)
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import MARK_KINDS, Role, SeenEvent, Subjects, is_class, is_lot
from traceability.supply_chain.standing import counting, ordered, retractions, time_and_kind

Told = tuple[SeenEvent, str | None]
"""An event of the thing itself, or of the container that it was in."""
Stay = tuple[str, int, int, int]
"""A container, the first and the last instant in it, and how far outside it is."""
Shipped = tuple[str | None, str | None, int, str | None]
"""To whom, to be owned by whom, since when, by whom."""
ENDS_BY_STEP = {"dispensing", "retail_selling", "decommissioning", "destroying"}
ENDS_BY_DISPOSITION = {"destroyed", "dispensed", "retail_sold", "stolen"}
NOT_ENDED = "partially_dispensed"
CUSTODY, OWNERSHIP = "custody", "ownership"


class Naive(NamedTuple):
    settled: bool
    """Whether it is known which events are claims: those of one instant may each be one only if the other is not."""
    said: dict[int, str | None]
    holdings: set[tuple[str, str, int, int | None]]
    shipments: list[tuple[str | None, str | None, int]]
    holds: set[tuple[str, str]]
    proposals: set[str]


def naive_custody(index: MemoryProvenance, thing: str, parties: Parties) -> Naive:
    """Tell it of a thing that the reader of an index sees something of."""
    own = index.events(Subjects({thing}, {thing} if is_lot(thing) else frozenset()))
    events = index.all()
    seen = _Seen(thing, own, events, index.decisions([thing, *_all_containers(events)]))
    claims: frozenset[int] = frozenset()
    tried = []
    while True:
        tried.append(claims)
        stays = list(_stays(thing, naive_intervals([e for e in counting(events) if e.position not in claims])))
        told, book = _told(seen, stays, claims), _Book(thing, parties)
        taken_back = retractions(event for event, _ in told)
        standing = [one for one in told if one[0].position not in taken_back and not one[0].declares]
        said = {event.position: book.hear(event, via) for event, via in standing}
        unheard = [e for e in counting(events) if e.empties and e.position not in said and not book.heard(e)]
        moved = [event for event, via in standing if said[event.position] in REASONS and _is_moved(event, thing, via)]
        ties = moved + unheard
        claims = frozenset(event.position for event in ties if _ties(event))
        if claims in tried:
            break
    inside = {parent for parent, _, last, _ in stays if last == FOREVER}
    return Naive(
        claims == tried[-1],
        {event.position: said.get(event.position) for event, _ in told},
        book.holdings(),
        [(to, owner, since) for to, owner, since, _ in book.ships],
        {one for one, (via, _) in book.holds.items() if via is None or via in inside},
        set(book.offers),
    )


REASONS = {
    "no_authority", "prefix_of_another", "made_by_another", "no_such_proposal", "not_its_receiver", "not_its_issuer",
    "issuer_without_role", "no_such_hold", "not_its_placer",
}  # fmt: skip


def _all_containers(events: Iterable[SeenEvent]) -> set[str]:
    return {parent for event in events for parent in event.parents}


def _is_moved(event: SeenEvent, thing: str, via: str | None) -> bool:
    mentions = [mention for mention in event.mentions if mention.thing == (via or thing)]
    return event.empties or any(via or mention.role is not Role.PARENT for mention in mentions)


def _ties(event: SeenEvent) -> bool:
    if event.type in MARK_KINDS:
        return event.action != "OBSERVE"
    return "transformation" in event.type or ("object" in event.type and event.action == "DELETE")


def _stays(thing: str, intervals: Iterable[Any]) -> Iterator[Stay]:
    """Give (container, first instant, last instant, depth) of all that a thing was in, directly or not."""
    contained = [(c, p, a, FOREVER if b is None else b - 1) for k, c, p, a, b in intervals if k is MarkKind.CONTAINMENT]
    level, known = [(thing, -FOREVER, FOREVER)], set[tuple[str, int, int]]()
    depth = 0
    while level:
        depth += 1
        outward = {
            (parent, max(first, opened), min(last, closed))
            for inner, first, last in level
            for child, parent, opened, closed in contained
            if child == inner and parent != thing and max(first, opened) <= min(last, closed)
        }
        level = [one for one in outward if one not in known]
        known.update(level)
        yield from ((*one, depth) for one in level)


class _Seen(NamedTuple):
    """What the reader sees: of the thing itself, and all there is."""

    thing: str
    own: Sequence[SeenEvent]
    events: Sequence[SeenEvent]
    decisions: Sequence[SeenDecision]


def _told(seen: _Seen, stays: Sequence[Stay], claims: frozenset[int]) -> list[Told]:
    """Return what is told of a thing, in order."""
    found: dict[int, Told] = {event.position: (event, None) for event in seen.own}
    found.update((one.position, (one, None)) for one in seen.decisions if seen.thing in one.decided_about)
    count = {event.position for event in counting(seen.events)}
    left = {(stay[0], stay[2] + 1) for stay in stays if stay[3] == 1}
    for stay in sorted(stays, key=lambda stay: stay[3]):
        container, first, last, depth = stay
        for event in seen.events:
            roles = {mention.role for mention in event.mentions if mention.thing == container}
            within = first <= event.occurred_at <= last
            concerns = bool(roles) and within and ("aggregation" not in event.type or Role.CHILD in roles)
            if depth == 1 and event.empties and event.position in count and container in event.parents:
                closes = (container, event.occurred_at) in left
                concerns |= within if event.position in claims else closes
            if concerns:
                found.setdefault(event.position, (event, container))
        for one in seen.decisions:
            if container in one.decided_about and (first <= one.occurred_at <= last or _lets_go(seen, one, stay)):
                found.setdefault(one.position, (one, container))
    return [found[event.position] for event in ordered(event for event, _ in found.values())]


def _lets_go(seen: _Seen, release: SeenDecision, stay: Stay) -> bool:
    container, first, last, _ = stay
    return any(
        isinstance(one.payload, HoldPlaced)
        and isinstance(release.payload, HoldReleased)
        and (one.payload.hold, one.captured_by) == (release.payload.hold, release.captured_by)
        and container in one.decided_about
        and first <= one.occurred_at <= last < release.occurred_at
        for one in seen.decisions
    )


class _Book:
    """A book of who has the thing, written line by line."""

    def __init__(self, thing: str, parties: Parties) -> None:
        self.thing, self.parties = thing, parties
        self.shared = is_lot(thing) or is_class(thing)
        self.maker: str | None = None
        self.has: dict[str, list[tuple[str, str, int]]] = {CUSTODY: [], OWNERSHIP: []}
        self.last: dict[str, tuple[str, str]] = {}
        self.spans: list[tuple[str, str, int, int | None]] = []
        self.former: str | None = None
        self.spoke: str | None = None
        self.load: set[Any] | None = None
        self.ships: list[Shipped] = []
        self.holds: dict[tuple[str, str], tuple[str | None, str]] = {}
        self.offers: dict[str, tuple[str, str, str]] = {}
        self.heards: list[tuple[tuple[int, int], set[str]]] = []

    def holdings(self) -> set[tuple[str, str, int, int | None]]:
        now = {(role, name, since, None) for role, those in self.has.items() for name, _, since in those}
        return now | set(self.spans)

    def voices(self, at: int) -> set[str]:
        holder = self.parties.prefix_holder(self.thing, at)
        found = {holder or self.maker} | {name for ship in self.ships for name in ship[:2]}
        for role, last in self.last.items():
            found |= {name for one in ([h[:2] for h in self.has[role]] or [last]) for name in one}
        return {name for name in found if name}

    def heard(self, event: SeenEvent) -> bool:
        before = [voices for when, voices in self.heards if when < time_and_kind(event)]
        return not before or not before[-1] or event.captured_by in before[-1]

    def hear(self, event: SeenEvent, via: str | None) -> str:
        said = self.decide(event, via) if isinstance(event, SeenDecision) else self.happen(event, via)
        if said not in REASONS:
            self.heards.append((time_and_kind(event), self.voices(event.occurred_at)))
        return said

    def speaks(self, role: str, who: str) -> bool:
        those = [held[:2] for held in self.has[role]] or ([self.last[role]] if role in self.last else [])
        return any(who in one for one in those)

    def standing(self, who: str, at: int) -> str | None:
        holder = self.parties.prefix_holder(self.thing, at)
        if holder == who:
            return "prefix"
        if holder is None and self.maker == who:
            return "commissioner"
        return "custodian" if self.speaks(CUSTODY, who) else "owner" if self.speaks(OWNERSHIP, who) else None

    def happen(self, event: SeenEvent, via: str | None) -> str:
        mentions = [m for m in event.mentions if m.thing == self.thing] if via is None else []
        self.shared |= any(m.class_level for m in mentions)
        members = [m for m in event.mentions if via is None and event.memberships.get(m.thing) == self.thing]
        puts_out = any(m.role is Role.OUTPUT for m in (*mentions, *members))
        if via is None and (puts_out or ("object" in event.type and event.action == "ADD")):
            return self.be_made(event)
        dies = not self.shared and _dies(event, {m.role for m in mentions if not m.class_level})
        move = None if dies else _move(event)
        said = self.may_say(event, move, dies=dies)
        fills = "aggregation" in event.type and any(m.role is Role.PARENT for m in mentions)
        carries = self.thing.split("/")[3] in ("00", "8003", "8004") and event.action != "OBSERVE"
        waits = self.ships or self.holds or self.offers
        if fills and carries and said == "no_authority" and event.action == "ADD" and self.load == set() and not waits:
            said = "first_to_speak"
        if said in REASONS:
            return said
        if fills and carries:
            self.pack(event)
        if said == "first_to_speak":
            self.spoke = event.captured_by
            self.give(CUSTODY, (event.captured_by, event.captured_by), event.occurred_at)
        if dies:
            for role in (CUSTODY, OWNERSHIP):
                self.close(role, event.occurred_at)
            self.ships = []
        elif move is not None:
            getattr(self, move)(event)
        return said

    def pack(self, event: SeenEvent) -> None:
        children = [m for m in event.mentions if m.role is Role.CHILD]
        named = {(m.thing, m.class_level and (m.quantity, m.uom)) for m in children}
        if event.action == "ADD":
            self.load = (self.load or set()) | named | (set() if event.whole else {"hidden"})
        else:
            left = None if self.load is None else self.load - named
            self.load = set() if event.whole and not children else left

    def may_say(self, event: SeenEvent, move: str | None, *, dies: bool) -> str:
        who = event.captured_by
        right = self.standing(who, event.occurred_at)
        if right is not None:
            return right
        if any(who in ship[:2] for ship in self.ships) or (move == "take" and self.unnamed()):
            return "consignee"
        at_home = who in {self.parties.organisation_of(place) for place in event.places if place}
        if at_home and event.action == "OBSERVE" and move is None and not dies:
            return "place"
        return "no_authority" if self.maker or self.last else "first_to_speak"

    def be_made(self, event: SeenEvent) -> str:
        who, at = event.captured_by, event.occurred_at
        said = self.may_make(who, at)
        if said not in REASONS:
            self.maker = self.maker or who
            for one in [held for held in self.has[CUSTODY] if held[0] == self.spoke]:
                self.has[CUSTODY].remove(one)
                self.spans += [(CUSTODY, one[0], one[2], at)] if one[2] < at else []
            self.spoke = None
            self.give(CUSTODY, self.end_of(event, "possessing_party") or (who, who), at)
            self.give(OWNERSHIP, self.end_of(event, "owning_party") or (who, who), at)
            self.ships = self.ships if self.shared else []
        return said

    def unnamed(self) -> bool:
        return any(ship[0] is None for ship in self.ships)

    def may_make(self, who: str, at: int) -> str:
        holder = self.parties.prefix_holder(self.thing, at)
        if holder == who:
            return "prefix"
        if holder is None and (self.maker in (None, who) or is_class(self.thing)):
            return "commissioner"
        for role, right in ((CUSTODY, "custodian"), (OWNERSHIP, "owner")):
            if self.speaks(role, who):
                return right
        return "prefix_of_another" if holder else "made_by_another"

    def void(self, event: SeenEvent) -> None:
        mine = [n for n, ship in enumerate(self.ships) if not self.shared or ship[3] == event.captured_by]
        self.ships = [ship for n, ship in enumerate(self.ships) if n not in mine[-1:]]

    def to(self, event: SeenEvent) -> str | None:
        named = [self.end_of(event, kind, after=True) for kind in ("possessing_party", "owning_party")]
        places = [self.parties.organisation_of(uri) for kind, uri in event.ends[1] if kind == "location"]
        return next((party[0] for party in named if party), places[0] if places else None)

    def holder(self) -> str | None:
        return self.has[CUSTODY][0][0] if self.has[CUSTODY] else None

    def meant(self, who: str) -> Shipped | None:
        mine = [ship for ship in self.ships if who in ship[:2] or ship[0] is None]
        return next(iter(mine or self.ships), None)

    def drop(self, ship: Shipped, *instead: Shipped) -> None:
        n = self.ships.index(ship)
        self.ships = [*self.ships[:n], *instead, *self.ships[n + 1 :]]

    def send(self, event: SeenEvent) -> None:
        before = self.end_of(event, "owning_party", after=False)
        if before and not self.has[OWNERSHIP]:
            self.give(OWNERSHIP, before, event.occurred_at)
        owner = self.end_of(event, "owning_party", after=True)
        by = event.captured_by if self.shared else self.holder()
        ship = (self.to(event), owner and owner[0], event.occurred_at, by)
        if self.shared:
            self.ships = [*self.ships, ship]
        elif not self.ships or (ship[0] is not None and self.ships[0][:2] != ship[:2]):
            self.ships = [ship]

    def take(self, event: SeenEvent) -> None:
        who, at = event.captured_by, event.occurred_at
        ship = self.meant(who)
        possessor = self.end_of(event, "possessing_party", after=True)
        if possessor is None and ship and ship[0] is not None and who not in ship[:2]:
            possessor = (ship[0], ship[0] if ship[0] in NAMES else who)
        possessor = possessor or (who, who)
        self.give(CUSTODY, possessor, at)
        owner = self.end_of(event, "owning_party", after=True)
        if owner is None and ship and ship[1] == possessor[0]:
            owner = possessor
        if owner:
            self.give(OWNERSHIP, owner, at)
        if ship and ship[1] is not None and not owner:
            self.drop(ship, (ship[1], *ship[1:]))
        elif ship and (owner or ship[0] is not None or event.head.bizStep == "receiving"):
            self.drop(ship)

    def send_back(self, event: SeenEvent) -> None:
        back, had, ship = self.former, self.holder(), self.meant(event.captured_by)
        if ship:
            self.drop(ship)
            back = had = ship[3]
        turned = (self.to(event) or back, None, event.occurred_at, had)
        self.ships = [*(self.ships if self.shared else []), turned]

    def give(self, role: str, party: tuple[str, str], at: int) -> None:
        same = [one for one in self.has[role] if one[0] == party[0]]
        if not same and not self.shared:
            self.close(role, at)
        rest = [one for one in self.has[role] if one[0] != party[0]]
        self.has[role] = [*rest, (*party, same[0][2] if same else at)]
        self.last[role] = party

    def close(self, role: str, at: int) -> None:
        for name, _, since in self.has[role]:
            if role == CUSTODY:
                self.former = name
            if since < at:
                self.spans.append((role, name, since, at))
        self.has[role] = []

    def end_of(self, event: SeenEvent, kind: str, *, after: bool | None = None) -> tuple[str, str] | None:
        sources, destinations = event.ends
        lists = [destinations, sources] if after is None else [destinations if after else sources]
        for ends in lists:
            for named, uri in ends:
                if named == kind:
                    name = self.parties.organisation_of(uri)
                    return (name, name) if name else (uri, event.captured_by)
        return None

    def decide(self, decision: SeenDecision, via: str | None) -> str:
        said, who, at = decision.payload, decision.captured_by, decision.occurred_at
        match said:
            case TransferProposed():
                verdict = self.may_propose(said, who)
                if verdict not in REASONS:
                    self.offers.setdefault(said.proposal, (said.role, said.receiver, who))
            case HoldPlaced() | Stated():
                expects = any(who in ship[:2] for ship in self.ships)
                nobody = "no_authority" if self.maker or self.last else "first_to_speak"
                verdict = self.standing(who, at) or ("consignee" if expects else nobody)
                if verdict not in REASONS and isinstance(said, HoldPlaced):
                    known = self.holds.get((said.hold, who))
                    if not known or (known[0] and not via):
                        self.holds[said.hold, who] = (via, verdict)
            case HoldReleased():
                if (said.hold, who) in self.holds:
                    return self.holds.pop((said.hold, who))[1]
                return "not_its_placer" if said.hold in {name for name, _ in self.holds} else "no_such_hold"
            case _:
                return self.answer(said, who, at)
        if verdict == "first_to_speak":
            self.spoke = who
            self.give(CUSTODY, (who, who), at)
        return verdict

    def may_propose(self, said: TransferProposed, who: str) -> str:
        if not (self.maker or self.last) and said.issuer == who:
            return "first_to_speak"
        if said.issuer != who and not any(one[:2] == (said.issuer, who) for one in self.has[said.role]):
            return "not_its_issuer"
        return RIGHTS[said.role] if self.gives(said.role, who) else "issuer_without_role"

    def answer(self, said: TransferAccepted | TransferDeclined | TransferCancelled, who: str, at: int) -> str:
        if said.proposal not in self.offers:
            return "no_such_proposal"
        role, receiver, issuer = self.offers[said.proposal]
        cancels, accepts = isinstance(said, TransferCancelled), isinstance(said, TransferAccepted)
        if who != (issuer if cancels else receiver):
            return "not_its_issuer" if cancels else "not_its_receiver"
        if accepts and not self.gives(role, issuer):
            return "issuer_without_role"
        del self.offers[said.proposal]
        if accepts:
            self.give(role, (receiver, receiver), at)
        return RIGHTS[role] if cancels else "consignee"

    def gives(self, role: str, who: str) -> bool:
        return self.speaks(CUSTODY if role == OWNERSHIP and OWNERSHIP not in self.last else role, who)


def _move(event: SeenEvent) -> str | None:
    named = {kind for kind, _ in event.ends[1]} & {"owning_party", "possessing_party"}
    last = (event.head.bizStep or "").replace(":", "/").split("/")[-1]
    on_its_way = "send" if event.head.disposition == "in_transit" and named else None
    return MOVES.get(event.head.bizStep or "") or ("send_back" if last in BACK else on_its_way)


def _dies(event: SeenEvent, mine: set[Role]) -> bool:
    step, disposition = event.head.bizStep, event.head.disposition
    ends = disposition in ENDS_BY_DISPOSITION or (step in ENDS_BY_STEP and disposition != NOT_ENDED)
    deleted = "object" in event.type and event.action == "DELETE"
    return bool(mine) and (Role.INPUT in mine or ends or deleted)


RIGHTS = {CUSTODY: "custodian", OWNERSHIP: "owner"}
BACK = {"rejecting", "returning"}
MOVES = {
    "receiving": "take", "arriving": "take", "accepting": "take",
    "shipping": "send", "departing": "send", "consigning": "send", "void_shipping": "void",
}  # fmt: skip
NAMES = frozenset({"maker.example", "carrier.example", "shop.example", "rival.example"})
