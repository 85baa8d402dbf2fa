"""How much of a lot is where and with whom: its events as moves between accounts, in the order of event time.

An account is an amount with one holder, at one place, in one container or loose, and perhaps under way. The rules:

- What is made is with who makes it. What is shipped stays with the shipper, under way, until it is received; what is
  received was under way to the receiver, else to nobody in particular, else to anybody, else the source had it that the
  event names.
- What is packed goes with its container: what happens to the container happens to what is in it.
- Who lets something go lets go of what is loose at that place first, then of what is there, then of anything it has.
- An observation of so much elsewhere moves it there, if its holder has that much at exactly one other place.
- `departing` and `consigning` ship what is not under way yet. `arriving` and `accepting` take over what is under way to
  who records them, which a later `receiving` counts no second time.

What goes and was not there is `short`, what comes from nowhere is `brought_in`. The sums are exact fractions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from traceability.supply_chain.balance import PIECES, kind_of_unit
from traceability.supply_chain.entry import HistoryEntry
from traceability.supply_chain.item import Lifecycle, ending
from traceability.supply_chain.lot.accounts import OUT, Account, Books, Part, Prefers, Row, Sum, Total, factor, turn
from traceability.supply_chain.lot.terms import Code, Finding
from traceability.supply_chain.seen import AGGREGATION_EVENT, OBJECT_EVENT, Mention, Role, SeenEvent
from traceability.supply_chain.transfers import Movement, movement

_OWNER, _POSSESSOR, _PLACE = "owning_party", "possessing_party", "location"
_RECEIVING: Final = "receiving"
_ON_ITS_WAY: Final = frozenset({"departing", "consigning"})


class Stock:
    """The accounts of a lot in the making; it is told what counts, in the order of folds, and never raises."""

    def __init__(self, organisation_of: Callable[[str], str | None]) -> None:
        self.findings: dict[Finding, None] = {}
        self.unstated: list[int] = []
        self._organisation_of = organisation_of
        self._books: dict[str, Books] = {}
        self._first: SeenEvent | None = None

    @property
    def is_gone(self) -> bool:
        """Tell whether all that was told of went, as far as it was counted."""
        return bool(self._books) and not self.unstated and not any(books.left for books in self._books.values())

    def rows(self) -> list[Row]:
        """Return what is where, by kind of unit, pieces last, then by holder and place."""
        return [row for books in self._in_order() for row in books.rows()]

    def sums(self) -> list[Sum]:
        """Return what is added up, by kind of unit, pieces last."""
        return [books.sum() for books in self._in_order()]

    def inside(self, containers: Collection[str]) -> list[tuple[str | None, Decimal]]:
        """Return how much is in these containers, by unit."""
        found = []
        for books in self._in_order():
            amount = sum((books.left[account] for account in books.inside(containers)), Fraction(0))
            if amount:
                found.append((books.uom, books.told(amount)))
        return found

    def hear(self, entry: HistoryEntry, containers: Collection[str]) -> Total | None:
        """Take in an entry; of a container, `containers` are that one and those in it.

        Return how something went, if it did.
        """
        if entry.via is not None:
            return self._carry(entry, containers)
        gone = None
        for mention in entry.mentions:
            if mention.class_level:
                gone = self._move(entry.event, mention) or gone
        return gone

    def hand_over(self, containers: Collection[str], receiver: str) -> None:
        """Tell that custody of what is in these containers was offered and accepted."""
        for books in self._books.values():
            for account, part in books.empty(containers):
                books.put(Account(receiver, account.place, account.container), part)

    def _in_order(self) -> list[Books]:
        return [self._books[kind] for kind in sorted(self._books, key=lambda kind: (kind == PIECES, kind))]

    def _move(self, event: SeenEvent, mention: Mention) -> Total | None:
        if mention.quantity is None:
            if _moves(event, mention.role):
                self.unstated.append(event.position)
            return None
        if mention.quantity <= 0:
            return None
        kind = kind_of_unit(mention.uom)
        if self._first is not None and kind not in self._books:
            note = f"{kind}, not {' or '.join(sorted(self._books))}"
            self.findings.setdefault(Finding(Code.UNITS_DIFFER, event.position, self._first.position, note))
        self._first = self._first or event
        books = self._books.setdefault(kind, Books(kind))
        books.uoms.add(mention.uom)
        return self._enter(_Move(event, books, Fraction(mention.quantity) * factor(mention.uom)), mention.role)

    def _enter(self, move: _Move, role: Role) -> Total | None:
        event = move.event
        if role is Role.OUTPUT or (event.type == OBJECT_EVENT and event.action == "ADD"):
            self._make(move)
            return None
        gone = ending(event, {role})
        if gone is not None:
            self._let_go(move, OUT[gone])
            return OUT[gone]
        match movement(event):
            case Movement.SHIP:
                self._ship(move)
            case Movement.RECEIVE:
                self._receive(move)
            case Movement.VOID:
                self._void(move)
            case Movement.SEND_BACK:
                self._send_back(move)
            case _ if event.type == AGGREGATION_EVENT and event.action == "ADD":
                self._pack(move)
            case _ if event.type == AGGREGATION_EVENT and event.action == "DELETE":
                for account, part in move.books.take(move.amount, lambda one: one.container == move.parent)[0]:
                    move.books.put(account._replace(container=None), part)
            case _:
                self._be_seen(move)
        return None

    def _make(self, move: _Move) -> None:
        sources, destinations = _ends(move.event)
        who = self._party(destinations.get(_POSSESSOR) or sources.get(_POSSESSOR), move.event)
        move.books.add(Total.MADE, move.amount)
        move.books.put(Account(who, move.event.place), move.amount)

    def _let_go(self, move: _Move, total: Total) -> None:
        books, place, who = move.books, move.event.place, move.event.captured_by
        books.add(total, move.amount)
        _, rest = books.take(
            move.amount,
            lambda one: _has(one, who) and one.place == place and one.container is None,
            _at(who, place),
            lambda one: _has(one, who),
            lambda one: one.under_way and one.to == who,
            lambda one: place is not None and one.place == place and not one.under_way,
        )
        if rest:
            self._tell_short(move, rest, who)
            books.add(Total.SHORT, rest)

    def _ship(self, move: _Move) -> None:
        event, books, place = move.event, move.books, move.event.place
        who, to = self._shipper(event), self._destination(event)
        goes_on = event.head.bizStep in _ON_ITS_WAY or books.having(lambda one: _has(one, who)) < move.amount
        if goes_on and books.having(lambda one: one.under_way and one.to != who) >= move.amount:
            self._pass_by(move)  # a leg of what is on its way already
            return
        taken = self._take_from(move, who, packed=move.parent is not None)
        packed = move.parent if event.action == "ADD" else None
        for account, part in taken:
            container = packed or account.container
            books.put(Account(account.holder, place or account.place, container, under_way=True, to=to), part)
        books.add(Total.SHIPPED, move.amount)

    def _receive(self, move: _Move) -> None:
        event, books = move.event, move.books
        who = self._receiver(event, books.left)
        if event.head.bizStep != _RECEIVING:
            self._arrive(move, who)
            return
        taken, rest = books.take(
            move.amount,
            lambda one: one.under_way and move.parent is not None and one.container == move.parent,
            lambda one: one.under_way and one.to == who,
        )
        counted = books.was_counted(who, rest)
        if counted:
            self._be_seen(move._replace(amount=counted))
        sent, rest = books.take(rest - counted, lambda one: one.under_way and one.to is None, lambda one: one.under_way)
        if rest:
            if books.totals[Total.MADE] or books.totals[Total.SHIPPED]:
                note = f"{books.written(rest)} more than was under way"
                self.findings.setdefault(Finding(Code.RECEIVED_NOT_SHIPPED, event.position, None, note))
            not_sent, rest = books.take(rest, self._at_source(event))
            sent += not_sent
        if rest:
            books.add(Total.BROUGHT_IN, rest)
            sent.append((Account(who), rest))
        self._take_over(move, who, taken + sent)

    def _arrive(self, move: _Move, who: str) -> None:
        """Tell that something arrived, or was accepted: what is under way to who says so has come."""
        taken, rest = move.books.take(
            move.amount,
            lambda one: one.under_way and one.to == who and one.container == move.parent,
            lambda one: one.under_way and one.to == who,
        )
        self._take_over(move, who, taken)
        move.books.arrived[who] = move.books.arrived.get(who, Fraction(0)) + move.amount - rest
        if rest:
            self._be_seen(move._replace(amount=rest))

    def _take_over(self, move: _Move, who: str, parts: Iterable[Part]) -> None:
        for account, part in parts:
            container = None if move.event.action == "DELETE" else move.parent or account.container
            move.books.put(Account(who, move.event.place or account.place, container), part)
            move.books.add(Total.RECEIVED, part)

    def _void(self, move: _Move) -> None:
        who = self._shipper(move.event)
        taken, _ = move.books.take(move.amount, lambda one: one.under_way and one.holder == who)
        for account, part in taken:
            move.books.put(account._replace(under_way=False, to=None), part)
            move.books.add(Total.SHIPPED, -part)

    def _send_back(self, move: _Move) -> None:
        who = move.event.captured_by
        taken, rest = move.books.take(move.amount, lambda one: one.under_way and one.to == who)
        for account, part in taken:
            move.books.put(account._replace(to=account.holder), part)
        if rest:
            back = _Move(move.event, move.books, rest)
            for account, part in self._take_from(back, who):
                move.books.put(account._replace(under_way=True, to=self._destination(move.event)), part)
            move.books.add(Total.SHIPPED, rest)

    def _pack(self, move: _Move) -> None:
        for account, part in self._take_from(move, move.event.captured_by):
            move.books.put(account._replace(container=move.parent), part)

    def _take_from(self, move: _Move, who: str, *, packed: bool = False) -> list[Part]:
        """Take an amount from what somebody has, if `packed` from the container first; the rest is brought in."""
        place = move.event.place
        taken, rest = move.books.take(
            move.amount,
            lambda one: packed and _has(one, who) and one.container == move.parent,
            lambda one: _has(one, who) and one.place == place and one.container is None,
            lambda one: _has(one, who) and one.container is None,
            lambda one: _has(one, who) and one.container != move.parent,
            lambda one: one.under_way and one.to == who,
        )
        if rest:
            self._tell_short(move, rest, who)
            move.books.add(Total.BROUGHT_IN, rest)
            taken.append((Account(who, place), rest))
        return [(account._replace(holder=who, under_way=False, to=None), part) for account, part in taken]

    def _tell_short(self, move: _Move, rest: Fraction, who: str) -> None:
        """Tell that more goes than there was; of what nobody is seen to have made or had, nothing is said."""
        books = move.books
        if books.totals[Total.MADE] or who in books.holders:
            note = f"{books.written(rest)} more than {who} had"
            self.findings.setdefault(Finding(Code.BELOW_ZERO, move.event.position, None, note))

    def _be_seen(self, move: _Move) -> None:
        who, place, books = move.event.captured_by, move.event.place, move.books
        if place is None or books.having(_at(who, place)) >= move.amount:
            return
        elsewhere = {one.place for one in books.left if _has(one, who)} - {place}
        enough = [at for at in elsewhere if books.having(_at(who, at)) >= move.amount]
        if len(enough) == 1:
            for account, part in books.take(move.amount, _at(who, enough[0]))[0]:
                books.put(account._replace(place=place), part)
        elif not enough:
            self._pass_by(move)

    def _pass_by(self, move: _Move) -> None:
        """Tell where something is that is under way."""
        place, who = move.event.place, move.event.captured_by
        if place is None or move.books.having(lambda one: one.under_way) < move.amount:
            return
        taken, _ = move.books.take(
            move.amount,
            lambda one: one.under_way and move.parent is not None and one.container == move.parent,
            lambda one: one.under_way and who in (one.holder, one.to),
            lambda one: one.under_way,
        )
        for account, part in taken:
            move.books.put(account._replace(place=place), part)

    def _carry(self, entry: HistoryEntry, containers: Collection[str]) -> Total | None:
        """Tell an event of a container of what is in it."""
        event, went = entry.event, None
        gone = OUT.get(ending(event, {mention.role for mention in entry.mentions}) or Lifecycle.ACTIVE)
        for books in self._books.values():
            for account, part in books.empty(containers):
                if gone is not None and gone is not Total.DECOMMISSIONED:  # then only the container is no more
                    books.add(gone, part)
                    went = gone
                elif event.empties and account.container in event.parents:
                    books.put(account._replace(container=None), part)
                else:
                    books.put(self._carried(event, account, books, part), part)
        return went

    def _carried(self, event: SeenEvent, account: Account, books: Books, part: Fraction) -> Account:
        place = event.place or account.place
        match movement(event):
            case Movement.SHIP if not account.under_way:
                books.add(Total.SHIPPED, part)
                return account._replace(place=place, under_way=True, to=self._destination(event))
            case Movement.RECEIVE:
                return self._come(event, account, books, part)
            case Movement.VOID if account.under_way:
                books.add(Total.SHIPPED, -part)
                return account._replace(under_way=False, to=None)
            case Movement.SEND_BACK:
                if account.under_way:
                    return account._replace(place=place, to=account.holder)
                books.add(Total.SHIPPED, part)
                return account._replace(place=place, under_way=True, to=self._destination(event))
            case _:
                return account._replace(place=place)

    def _come(self, event: SeenEvent, account: Account, books: Books, part: Fraction) -> Account:
        """Tell that a container with some of it is received, or has arrived."""
        who, received = self._receiver(event, [account]), event.head.bizStep == _RECEIVING
        place = event.place or account.place
        if not received and not (account.under_way and account.to == who):
            return account._replace(place=place)
        if account.under_way or account.holder != who:
            books.add(Total.RECEIVED, part)
            books.arrived[who] = books.arrived.get(who, Fraction(0)) + (0 if received else part)
        elif received:
            books.was_counted(who, part)
        return Account(who, place, account.container)

    def _shipper(self, event: SeenEvent) -> str:
        return self._party(_ends(event)[0].get(_POSSESSOR), event)

    def _receiver(self, event: SeenEvent, accounts: Iterable[Account]) -> str:
        """Return who receives: whom the event names, else who records it, unless that is who shipped it to another."""
        named, who = _ends(event)[1].get(_POSSESSOR), event.captured_by
        if named is not None:
            return self._party(named, event)
        under_way = [one for one in accounts if one.under_way]
        if any(one.to in (who, None) for one in under_way):
            return who
        return next((one.to for one in sorted(under_way, key=turn) if one.holder == who and one.to), who)

    def _at_source(self, event: SeenEvent) -> Prefers:
        """Return what the source that an event names has, though nobody recorded that it sent it."""
        sources = _ends(event)[0]
        party, place = sources.get(_POSSESSOR) or sources.get(_OWNER), sources.get(_PLACE)
        holder = None if party is None else self._party(party, event)
        return lambda one: not one.under_way and (one.holder == holder or (place is not None and one.place == place))

    def _destination(self, event: SeenEvent) -> str | None:
        ends = _ends(event)[1]
        to = ends.get(_POSSESSOR) or ends.get(_OWNER)
        if to is not None:
            return self._party(to, event)
        place = ends.get(_PLACE)
        return None if place is None else self._organisation_of(place)

    def _party(self, uri: str | None, event: SeenEvent) -> str:
        return event.captured_by if uri is None else self._organisation_of(uri) or uri


def _moves(event: SeenEvent, role: Role) -> bool:
    moved = event.action != "OBSERVE" or movement(event) is not None
    return moved or ending(event, {role}) is not None


class _Move(NamedTuple):
    """So much, in the unit of reference of its books, as an event says."""

    event: SeenEvent
    books: Books
    amount: Fraction

    @property
    def parent(self) -> str | None:
        """Return the container that the event names beside it."""
        parents = self.event.parents
        return parents[0] if parents and self.event.type == AGGREGATION_EVENT else None


def _has(account: Account, who: str) -> bool:
    return account.holder == who and not account.under_way


def _at(who: str, place: str | None) -> Prefers:
    return lambda one: _has(one, who) and one.place == place


def _ends(event: SeenEvent) -> tuple[dict[str | None, str], dict[str | None, str]]:
    sources, destinations = event.ends
    return dict(reversed(sources)), dict(reversed(destinations))
