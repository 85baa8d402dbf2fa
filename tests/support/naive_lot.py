"""How much of a lot is where in its plainest form: each kilogram by itself, handed on as docs/guide/lots.md says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from tests.support.holders import GLNS
from traceability.supply_chain.entry import HistoryEntry
from traceability.supply_chain.seen import Mention, SeenEvent

_HOW = {"dispensing": "sold", "retail_selling": "sold", "destroying": "destroyed"}


@dataclass(frozen=True)
class Kilo:
    holder: str
    place: str | None = None
    container: str | None = None
    under_way: bool = False
    to: str | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        texts = [(text is not None, text or "") for text in (self.place, self.container, self.to)]
        return self.holder, texts[0], texts[1], self.under_way, texts[2]


class NaiveStock:
    """Whole kilograms of a lot; an event moves one after the other."""

    def __init__(self) -> None:
        self.there: list[Kilo] = []
        self.totals: Counter[str] = Counter()
        self.arrived: Counter[str] = Counter()

    def rows(self) -> dict[Kilo, int]:
        return dict(Counter(self.there))

    def hear(self, entry: HistoryEntry) -> None:
        event = entry.event
        if entry.via is not None:
            self._carry(event, entry.via)
            return
        for mention in entry.mentions:
            if mention.quantity is not None:
                self._move(event, mention, int(mention.quantity))

    def _pick(self, *wanted: Callable[[Kilo], bool]) -> Kilo | None:
        for wants in wanted:
            some = sorted((one for one in self.there if wants(one)), key=lambda one: one.key)
            if some:
                self.there.remove(some[0])
                return some[0]
        return None

    def _move(self, event: SeenEvent, mention: Mention, amount: int) -> None:  # noqa: C901, PLR0912 - one case a rule
        who, place, step = event.captured_by, event.place, event.head.bizStep or ""
        to = _destination(event)
        parent = event.parents[0] if event.parents else None
        if event.action == "ADD" and event.type == "epcis.object_event.v2":
            self.there += [Kilo(to or who, place)] * amount
            self.totals["made"] += amount
        elif mention.role == "input" or step in _HOW:
            for _ in range(amount):
                self._let_go(who, place)
            self.totals["used" if mention.role == "input" else _HOW[step]] += amount
        elif step in ("shipping", "departing", "consigning"):
            mine = sum(one.holder == who and not one.under_way for one in self.there)
            on_its_way = sum(one.under_way and one.to != who for one in self.there)
            if (step != "shipping" or mine < amount) and on_its_way >= amount:
                self._pass_by(who, place, parent, amount)
                return
            for kilo in [self._own(who, place, None) for _ in range(amount)]:
                self.there.append(replace(kilo, place=place or kilo.place, under_way=True, to=to))
            self.totals["shipped"] += amount
        elif step == "receiving":
            self._receive(event, parent, amount)
        elif step in ("arriving", "accepting"):
            self._arrive(event, parent, amount)
        elif step == "void_shipping":
            for _ in range(amount):
                sent = self._pick(lambda one: one.under_way and one.holder == who)
                if sent is not None:
                    self.there.append(replace(sent, under_way=False, to=None))
                    self.totals["shipped"] -= 1
        elif step.endswith("rejecting"):
            self._reject(who, place, to, amount)
        elif event.action == "ADD":
            self.there += [
                replace(kilo, container=parent) for kilo in [self._own(who, place, parent) for _ in range(amount)]
            ]
        elif event.action == "DELETE":
            out = [self._pick(lambda one: one.container == parent) for _ in range(amount)]
            self.there += [replace(one, container=None) for one in out if one is not None]
        else:
            self._be_seen(who, place, parent, amount)

    def _own(self, who: str, place: str | None, parent: str | None) -> Kilo:
        kilo = self._pick(
            lambda one: one.holder == who and not one.under_way and one.place == place and one.container is None,
            lambda one: one.holder == who and not one.under_way and one.container is None,
            lambda one: one.holder == who and not one.under_way and one.container != parent,
            lambda one: one.under_way and one.to == who,
        )
        if kilo is None:
            self.totals["brought_in"] += 1
            return Kilo(who, place)
        return replace(kilo, holder=who, under_way=False, to=None)

    def _let_go(self, who: str, place: str | None) -> None:
        kilo = self._pick(
            lambda one: one.holder == who and not one.under_way and one.place == place and one.container is None,
            lambda one: one.holder == who and not one.under_way and one.place == place,
            lambda one: one.holder == who and not one.under_way,
            lambda one: one.under_way and one.to == who,
            lambda one: place is not None and one.place == place and not one.under_way,
        )
        if kilo is None:
            self.totals["short"] += 1

    def _receiver(self, who: str, some: Iterable[Kilo]) -> str:
        some = [one for one in some if one.under_way]
        if any(one.to in (who, None) for one in some):
            return who
        mine = sorted((one for one in some if one.holder == who and one.to), key=lambda one: one.key)
        return (mine[0].to if mine else None) or who

    def _receive(self, event: SeenEvent, parent: str | None, amount: int) -> None:
        who, came = self._receiver(event.captured_by, self.there), list[Kilo]()
        counted = amount
        for _ in range(amount):
            kilo = self._pick(
                lambda one: one.under_way and parent is not None and one.container == parent,
                lambda one: one.under_way and one.to == who,
            )
            if kilo is not None:
                came.append(kilo)
                counted -= 1
        counted = min(counted, self.arrived[who])
        self.arrived[who] -= counted
        self._be_seen(event.captured_by, event.place, parent, counted)
        for _ in range(amount - counted - len(came)):
            kilo = self._pick(lambda one: one.under_way and one.to is None, lambda one: one.under_way)
            self.totals["brought_in"] += kilo is None
            came.append(kilo or Kilo(who))
        self.there += [Kilo(who, event.place or one.place, parent or one.container) for one in came]
        self.totals["received"] += len(came)

    def _arrive(self, event: SeenEvent, parent: str | None, amount: int) -> None:
        who, came = self._receiver(event.captured_by, self.there), list[Kilo]()
        for _ in range(amount):
            kilo = self._pick(
                lambda one: one.under_way and one.to == who and one.container == parent,
                lambda one: one.under_way and one.to == who,
            )
            came += [] if kilo is None else [kilo]
        self.there += [Kilo(who, event.place or one.place, parent or one.container) for one in came]
        self.totals["received"] += len(came)
        self.arrived[who] += len(came)
        if amount > len(came):
            self._be_seen(event.captured_by, event.place, parent, amount - len(came))

    def _reject(self, who: str, place: str | None, to: str | None, amount: int) -> None:
        back = []
        for _ in range(amount):
            kilo = self._pick(lambda one: one.under_way and one.to == who)
            if kilo is not None:
                back.append(replace(kilo, to=kilo.holder))
        self.there += back
        rest = amount - len(back)
        self.there += [
            replace(one, under_way=True, to=to) for one in [self._own(who, place, None) for _ in range(rest)]
        ]
        self.totals["shipped"] += rest

    def _be_seen(self, who: str, place: str | None, parent: str | None, amount: int) -> None:
        mine = Counter(one.place for one in self.there if one.holder == who and not one.under_way)
        if place is None or mine[place] >= amount:
            return
        enough = [at for at, count in mine.items() if count >= amount]
        if len(enough) == 1:
            moved = [
                self._pick(lambda one: one.holder == who and not one.under_way and one.place == enough[0])
                for _ in range(amount)
            ]
            self.there += [replace(one, place=place) for one in moved if one is not None]
        elif not enough:
            self._pass_by(who, place, parent, amount)

    def _pass_by(self, who: str, place: str | None, parent: str | None, amount: int) -> None:
        if place is None or sum(one.under_way for one in self.there) < amount:
            return
        moved = [
            self._pick(
                lambda one: one.under_way and parent is not None and one.container == parent,
                lambda one: one.under_way and who in (one.holder, one.to),
                lambda one: one.under_way,
            )
            for _ in range(amount)
        ]
        self.there += [replace(one, place=place) for one in moved if one is not None]

    def _carry(self, event: SeenEvent, via: str) -> None:
        step, to, who = event.head.bizStep, _destination(event), event.captured_by
        for kilo in [one for one in self.there if one.container == via]:
            self.there.remove(kilo)
            place = event.place or kilo.place
            if event.action == "DELETE":
                moved = replace(kilo, container=None)
            elif step == "shipping" and not kilo.under_way:
                self.totals["shipped"] += 1
                moved = replace(kilo, place=place, under_way=True, to=to)
            elif step == "receiving":
                receiver = self._receiver(who, [kilo])
                new = kilo.under_way or kilo.holder != receiver
                self.totals["received"] += new
                if not new and self.arrived[receiver]:
                    self.arrived[receiver] -= 1
                moved = Kilo(receiver, place, via)
            elif step == "arriving" and kilo.under_way and kilo.to == self._receiver(who, [kilo]):
                self.totals["received"] += 1
                self.arrived[kilo.to or ""] += 1
                moved = Kilo(kilo.to or "", place, via)
            else:
                moved = replace(kilo, place=place)
            self.there.append(moved)


def _destination(event: SeenEvent) -> str | None:
    ends = [uri for kind, uri in event.ends[1] if kind == "possessing_party"]
    return GLNS[ends[0].rpartition("/")[2]] if ends else None
