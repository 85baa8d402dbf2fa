"""What a few organisations say in one recall case, and a reader of it that knows no more than the rules."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from traceability.supply_chain.recall.events import (
    HolderCount,
    Outcome,
    Payload,
    RecallAcknowledged,
    RecallCancelled,
    RecallClosed,
    RecallNotified,
    RecallOpened,
    RecallReconciled,
    RecallScoped,
    Said,
    ScopedTrace,
    Told,
)

CASE, ROOT = "c1", "https://id.gs1.org/01/09521234000013/10/A7"
OPENER, SHOP, STORE = "maker.example", "shop.example", "store.example"
THINGS = ["https://id.gs1.org/01/09521234000013/21/1", "https://id.gs1.org/01/09521234000013/21/2"]
ABOUT = {"case": CASE, "name": "Listeria", "reason": "a sample", "classification": "I", "roots": (ROOT,)}
OPENED = RecallOpened.model_validate(ABOUT)
SCOPED = RecallScoped(
    case=CASE,
    trace=ScopedTrace(roots=(ROOT,), known_at=1, max_depth=100, max_nodes=100),
    digest="0" * 64,
    complete=True,
    items=2,
    lots=1,
    unheld=0,
    holders=(HolderCount(holder=SHOP, things=2),),
)
RECONCILED = RecallReconciled(
    case=CASE, scope=2, recovered=1, destroyed=1, not_found=0, unheld=1, missing_count=0, missing=()
)
RECALL_STEPS: dict[str, dict[str, Any]] = {
    "scope": {},
    "notices": {},
    "acknowledgements": {"notice": "x"},
    "reconciliation": {},
    "close": {},
    "cancel": {"reason": "x"},
}
"""The bodies of what is done in a case, by the last word of the address."""


def notified(organisation: str, *things: str, notice: str = "") -> RecallNotified:
    return RecallNotified.model_validate(
        {**ABOUT, "notice": notice or f"to {organisation}", "organisation": organisation, "things": things}
    )


def acknowledged(organisation: str, *things: str, outcome: Outcome = Outcome.QUARANTINED) -> RecallAcknowledged:
    told = tuple(Told(thing=thing, outcome=outcome) for thing in things)
    return RecallAcknowledged(case=CASE, notice=f"to {organisation}", told=told)


def said(payload: Payload, by: str = OPENER, at: int = 0, position: int = 1) -> Said:
    digest = sha256(f"{payload.type_name} {payload.model_dump_json()} {by} {at}".encode()).digest()
    return Said(payload, by, at, position, UUID(int=position), position, digest)


def story(*told: tuple[Payload, str] | Payload) -> list[Said]:
    """Return things said one after the other, by the opener where nobody is named."""
    both = [one if isinstance(one, tuple) else (one, OPENER) for one in told]
    return [said(payload, by, at, at + 1) for at, (payload, by) in enumerate(both)]


organisations = st.sampled_from([SHOP, STORE])
_things = st.lists(st.sampled_from(THINGS), min_size=1, max_size=2, unique=True)
_some = st.lists(st.sampled_from(THINGS), max_size=2, unique=True)
payloads: st.SearchStrategy[Payload] = st.one_of(
    st.just(OPENED),
    st.just(SCOPED),
    st.tuples(organisations, _things).map(lambda both: notified(both[0], *both[1])),
    st.tuples(organisations, _some, st.sampled_from(Outcome)).map(
        lambda three: acknowledged(three[0], *three[1], outcome=three[2])
    ),
    st.just(RECONCILED),
    st.builds(
        RecallClosed,
        case=st.just(CASE),
        organisation=st.none() | organisations,
        reconciled=st.booleans(),
        reason=st.none() | st.just("all is said"),
    ),
    st.builds(RecallCancelled, case=st.just(CASE), organisation=st.none() | organisations, reason=st.just("a mistake")),
)
_speakers = st.sampled_from([OPENER, OPENER, OPENER, OPENER, SHOP, STORE])
_in_any_way = st.lists(st.tuples(payloads, _speakers, st.integers(0, 6)), max_size=12)


def _with_a_beginning(told: list[tuple[Payload, str, int]]) -> list[tuple[Payload, str, int]]:
    by_right = [(p, p.notice[3:] if isinstance(p, RecallAcknowledged) else by, at) for p, by, at in told]
    return [(OPENED, OPENER, 0), (SCOPED, OPENER, 1), *by_right]


worlds = (_in_any_way | _in_any_way.map(_with_a_beginning)).map(
    # What is said twice alike at one instant is one thing, whichever of the two came first.
    lambda told: list(
        {one.digest: one for one in (said(p, by, at, n) for n, (p, by, at) in enumerate(told, 1))}.values()
    )
)


_KINDS = [
    RecallOpened,
    RecallScoped,
    RecallNotified,
    RecallAcknowledged,
    RecallReconciled,
    RecallClosed,
    RecallCancelled,
]


def _turn(one: Said) -> tuple[int, int, bool, bytes]:
    to_somebody = isinstance(one.payload, RecallClosed | RecallCancelled) and one.payload.organisation is not None
    return one.occurred_at, _KINDS.index(type(one.payload)), to_somebody, one.digest


class NaiveCase:
    """The rules of docs/guide/recalls.md, each asked of everything that counts before."""

    def __init__(self, told: Sequence[Said]) -> None:
        self._told = sorted(told, key=_turn)
        begins = self._of(RecallOpened, self._told) or self._of(RecallNotified, self._told)
        self.opener = begins[0].said_by if begins else None
        self._begins = begins[0] if begins else None

    def counting(self) -> list[Said]:
        counts: list[Said] = []
        for one in self._told if self._begins else []:
            if self._is_in_order(one, counts):
                counts.append(one)
        return counts

    def stage(self) -> str | None:
        counts = self.counting()
        ends = [one for one in counts if isinstance(one.payload, RecallClosed | RecallCancelled)]
        if not self._begins:
            return None
        if ends:
            return "closed" if isinstance(ends[0].payload, RecallClosed) else "cancelled"
        if self._added_up(counts):
            return "reconciled"
        notices = {n.payload.notice for n in counts if isinstance(n.payload, RecallNotified)}
        answered = {a.payload.notice for a in counts if isinstance(a.payload, RecallAcknowledged)}
        if notices:
            return "acknowledged" if notices <= answered else "notified"
        return "scoped" if self._of(RecallScoped, counts) else "opened"

    def _is_in_order(self, one: Said, counts: Sequence[Said]) -> bool:
        payload, ends = one.payload, self._ended(counts)
        if isinstance(payload, RecallAcknowledged):
            sent = [c.payload for c in counts if isinstance(c.payload, RecallNotified)]
            mine = [n for n in sent if n.notice == payload.notice]
            # Who a notice is to is said by its first event.
            is_its = bool(mine) and mine[0].organisation == one.said_by
            named = {thing for n in mine for thing in n.things}
            return not ends and is_its and {t.thing for t in payload.told} <= named
        if one is self._begins:
            return True
        its_turn = one.said_by == self.opener and self._begins in counts and not isinstance(payload, RecallOpened)
        if ends:
            same = type(ends[0].payload) is type(payload)
            return its_turn and same and getattr(payload, "organisation", None) is not None
        scoped, added_up = bool(self._of(RecallScoped, counts)), self._added_up(counts)
        if isinstance(payload, RecallReconciled):
            return its_turn and scoped
        if isinstance(payload, RecallClosed) and payload.reason is None:
            return its_turn and payload.reconciled and (added_up or not scoped)
        return its_turn

    @staticmethod
    def _of(kind: type[Payload], told: Sequence[Said]) -> list[Said]:
        return [one for one in told if isinstance(one.payload, kind)]

    def _ended(self, counts: Sequence[Said]) -> list[Said]:
        return [one for one in counts if isinstance(one.payload, RecallClosed | RecallCancelled)]

    def _added_up(self, counts: Sequence[Said]) -> bool:
        kinds = [type(one.payload) for one in counts]
        last = max((n for n, kind in enumerate(kinds) if kind is RecallReconciled), default=None)
        return last is not None and not {RecallScoped, RecallNotified}.intersection(kinds[last:])
