"""What things are taken to be: the statements of organisations about them, folded for one reader.

Of one organisation's statements about one element with the same beginning the last stated counts; of those that count
and hold at a time, the one that began last. Nothing depends on the order in which they arrived. Between organisations:
the holder of the thing's GS1 key is believed, and nobody else but the reader itself; where no holder is known, the
reader itself and then the others by their names.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, Protocol

from traceability.gs1.company_prefixes import digits_from_prefix
from traceability.gs1.digital_link import RESOLVER
from traceability.gs1.epcis.master_data import Statement, VocabularyElement, name_of
from traceability.gs1.epcis.query.event_query import QueryTooComplexError
from traceability.gs1.identifiers import parse_identifier
from traceability.ledger.register.register import Register

MAX_SUBJECTS: Final = 10_000
"""Things that one question may lead to: all places below one, all products with an attribute."""

_MAX_ERAS: Final = 1_000
_GLN: Final = re.compile(rf"{re.escape(RESOLVER)}/41[457]/([0-9]{{13}})").match
FAR: Final = 1 << 62
"""A time after every other (µs), and its negative before."""


class Vocabularies(Protocol):
    """The statements that one reader may see among those recorded up to `known_at`: a port."""

    @property
    def reader(self) -> str:
        """Return the organisation that asks."""
        ...

    @property
    def known_at(self) -> int:
        """Return the last position that is taken into account."""
        ...

    def of(self, subjects: Collection[str], vocabularies: Collection[str] | None = None) -> list[Statement]:
        """Return every statement about these subjects, in these vocabularies, in all of them where None."""
        ...

    def tagged(self, tags: Collection[str], limit: int, after: int = 0) -> list[Statement]:
        """Return statements with one of these tags, in order of position from behind `after`, up to `limit`."""
        ...

    def holders(self, glns: Collection[str]) -> Mapping[str, str]:
        """Return the organisations that hold these GLNs (13 digits)."""
        ...

    @property
    def register(self) -> Register:
        """Return the register that tells whose the company prefixes are."""
        ...


class Holders:
    """Who holds the GS1 keys of some subjects: of a place or party who has its GLN, else who has the company prefix."""

    def __init__(self, subjects: Iterable[str], glns: Mapping[str, str], register: Register) -> None:
        self._register = register
        self._for_good: dict[str, str] = {}
        self._digits: dict[str, str] = {}
        for subject in subjects:
            match = _GLN(subject)
            holder = None if match is None else glns.get(match[1])
            if holder is not None:
                self._for_good[subject] = holder
            elif register.knows_prefixes and (digits := digits_from_prefix(subject)):
                self._digits[subject] = digits

    def of(self, subject: str, at: int) -> str | None:
        """Return who holds the key of a subject at a time, None where nobody knows."""
        digits = self._digits.get(subject)
        return self._for_good.get(subject) if digits is None else self._register.prefix_holder(digits, at)

    @property
    def changes(self) -> set[int]:
        """Return the times at which a key may pass to another."""
        return {at for digits in set(self._digits.values()) for at in self._register.prefix_changes(digits)}


class MasterData:
    """Statements folded for a reader, who believes the holders of the keys."""

    def __init__(self, statements: Iterable[Statement], reader: str, holders: Holders) -> None:
        self._reader = reader
        self._holders = holders
        self._standing: defaultdict[str, list[Statement]] = defaultdict(list)
        self._parents: set[str] = set()
        for statement in standing(statements):
            self._standing[statement.element.subject].append(statement)
            if statement.element.children:
                self._parents.add(statement.element.subject)

    def believed(self, subject: str, at: int) -> list[Statement]:
        """Return what says what a subject is at a time: at most one statement of each vocabulary, by their types."""
        statements = self._standing.get(subject, ())
        if len(statements) > 1:
            return self._chosen(subject, statements, at)
        # Of most things there is one.
        return [
            one
            for one in statements
            if one.element.is_said_at(at) and self._believes(one, self._holders.of(subject, at))
        ]

    def elements(self, subject: str, at: int) -> list[VocabularyElement]:
        """Return what a subject is at a time."""
        return [statement.element for statement in self.believed(subject, at)]

    def name(self, subject: str, at: int) -> str | None:
        """Return what people call a subject."""
        return next((name for e in self.elements(subject, at) if (name := name_of(e.attributes)) is not None), None)

    def children(self, subject: str, at: int) -> set[str]:
        """Return the subjects right below a subject."""
        if subject not in self._parents:
            return set()
        return {parse_identifier(child).subject for element in self.elements(subject, at) for child in element.children}

    def below(self, roots: Collection[str], at: int) -> set[str]:
        """Return these subjects and all below them; a circle ends where it began."""
        found = set(roots)
        ahead = list(found)
        while ahead:
            children = self.children(ahead.pop(), at) - found
            found |= children
            ahead += children
        return found

    @property
    def changes(self) -> list[int]:
        """Return the times at which anything begins, ends or passes to another, in order."""
        elements = (statement.element for statements in self._standing.values() for statement in statements)
        stated = {t for e in elements for t in (e.valid_from, e.valid_until) if t is not None}
        return sorted(stated | self._holders.changes)

    def _chosen(self, subject: str, statements: Sequence[Statement], at: int) -> list[Statement]:
        """Return the statement that counts in each vocabulary: of who is believed first, the one that began last."""
        holder = self._holders.of(subject, at)
        last: dict[str, dict[str, Statement]] = defaultdict(dict)
        for one in sorted(statements, key=_beginning):
            if one.element.holds_at(at) and self._believes(one, holder):
                last[one.element.vocabulary][one.stated_by] = one

        def rank(organisation: str) -> tuple[bool, bool, str]:
            return organisation != holder, organisation != self._reader, organisation

        chosen = []
        for _, stated in sorted(last.items()):
            said = [stated[name] for name in sorted(stated, key=rank) if not stated[name].element.withdrawn]
            chosen += said[:1]
        return chosen

    def _believes(self, statement: Statement, holder: str | None) -> bool:
        return holder is None or statement.stated_by in (holder, self._reader)


def _beginning(statement: Statement) -> int:
    return -FAR if statement.element.valid_from is None else statement.element.valid_from


def standing(statements: Iterable[Statement]) -> list[Statement]:
    """Return the statements that no later one of the same organisation about the same beginning replaces."""
    last: dict[tuple[str, str, str, int | None], Statement] = {}
    for statement in statements:
        element = statement.element
        key = (statement.stated_by, element.vocabulary, element.subject, element.valid_from)
        if key not in last or _is_later(statement, last[key]):
            last[key] = statement
    return list(last.values())


def _is_later(one: Statement, other: Statement) -> bool:
    if one.stated_at != other.stated_at:
        return one.stated_at > other.stated_at
    # Of one moment: the content decides, so that no order of arrival does.
    return one.element.digest() > other.element.digest()


def master_data(vocabularies: Vocabularies, subjects: Collection[str]) -> MasterData:
    """Return what is stated of these subjects."""
    return _folded(vocabularies, vocabularies.of(subjects) if subjects else [])


def hierarchy(vocabularies: Vocabularies, roots: Collection[str]) -> MasterData:
    """Return what is stated of these places and everything that ever was below them.

    Raises `QueryTooComplexError`.
    """
    found: list[Statement] = []
    known: set[str] = set()
    ahead = set(roots)
    while ahead:
        known |= ahead
        _bounded(known)
        statements = vocabularies.of(ahead)
        found += statements
        ahead = {parse_identifier(child).subject for one in statements for child in one.element.children} - known
    return _folded(vocabularies, found)


def with_tags(vocabularies: Vocabularies, tags: Collection[str]) -> tuple[MasterData, set[str]]:
    """Return the subjects of which a statement has one of these tags, and what is stated of them.

    Raises `QueryTooComplexError`.
    """
    found = vocabularies.tagged(tags, MAX_SUBJECTS + 1)
    _bounded(found)
    subjects = {statement.element.subject for statement in found}
    # In each vocabulary another statement counts; where none has such a tag, none that counts has the attribute.
    said = vocabularies.of(subjects, {statement.element.vocabulary for statement in found}) if found else []
    return _folded(vocabularies, said), subjects


def eras(data: MasterData, subjects_at: Callable[[int], AbstractSet[str]]) -> tuple[tuple[int, frozenset[str]], ...]:
    """Return from which time on which subjects are meant: each set holds until the next begins, the first always did.

    Raises `QueryTooComplexError`.
    """
    found: list[tuple[int, frozenset[str]]] = []
    changes = data.changes
    if len(changes) > _MAX_ERAS:
        raise _too_many(f"master data that changes at {len(changes)} times", _MAX_ERAS)
    count = 0
    for since in (-FAR, *changes):
        subjects = frozenset(subjects_at(since))
        if not found or found[-1][1] != subjects:
            found.append((since, subjects))
            count += len(subjects)
            if count > 2 * MAX_SUBJECTS:
                raise _too_many("too many things at too many times", 2 * MAX_SUBJECTS)
    return tuple(found)


def _folded(vocabularies: Vocabularies, statements: Sequence[Statement]) -> MasterData:
    subjects = {statement.element.subject for statement in statements}
    glns = {match[1] for subject in subjects if (match := _GLN(subject)) is not None}
    holders = Holders(subjects, vocabularies.holders(glns) if glns else {}, vocabularies.register)
    return MasterData(statements, vocabularies.reader, holders)


def _bounded(subjects: Collection[object]) -> None:
    if len(subjects) > MAX_SUBJECTS:
        raise _too_many(f"more than {MAX_SUBJECTS} things", MAX_SUBJECTS)


def _too_many(what: str, most: int) -> QueryTooComplexError:
    return QueryTooComplexError(
        f"The question leads to {what}; at most {most} are looked at.", hint="Ask about a smaller place, or for less."
    )
