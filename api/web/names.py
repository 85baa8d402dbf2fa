"""The names by which people know things, places and organisations, as far as the events at hand tell them.

A thing is described by the ILMD of the event that made it, a place by the name that an event gives beside its
identifier (both are CBV master data attributes); who holds a GLN is known from the organisations of the ledger, and a
place that has a holder is called what its holder calls it: nobody renames the places of others. Where nothing tells a
name, the kind of the key and its number have to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, TypeAlias

from api.codes import human_readable
from api.web import words
from api.web.page import Detail, Named
from traceability.gs1.digital_link import RESOLVER, read_path
from traceability.gs1.identifiers import Identifier, Kind, gln_of
from traceability.ledger.organisations import Organisation
from traceability.supply_chain.entry import HistoryEntry
from traceability.supply_chain.seen import Role, SeenEvent, identify

CBV_MASTER_DATA: Final = "urn:epcglobal:cbv:mda:"
_DESCRIPTION: Final = f"{CBV_MASTER_DATA}descriptionShort"
_PLACE_NAME: Final = f"{CBV_MASTER_DATA}name"
_TAIL: Final = 6
_KINDS_TOLD: Final = 3
MADE: Final = frozenset({Role.OBJECT, Role.OUTPUT})
"""The roles of what an event's ILMD describes."""


Stated: TypeAlias = Callable[[AbstractSet[str]], Mapping[str, str]]
"""From subjects to the names that master data gives to those of them that it names, for whom the page is for."""


class Names:
    """Names learnt from events, and from master data about what these mention; `learn` more before asking."""

    def __init__(self, organisations: Iterable[Organisation], stated: Stated = lambda _: {}) -> None:
        self._ask = stated
        self._stated: dict[str, str | None] = {}
        self._descriptions: dict[str, str] = {}
        self._places: dict[str, str] = {}
        self._organisations: dict[str, str] = {}
        self._holders: dict[str, str] = {}
        for organisation in organisations:
            self._organisations[organisation.name] = organisation.display_name
            self._holders.update(dict.fromkeys(organisation.glns, organisation.name))

    def learn(self, events: Iterable[SeenEvent]) -> None:
        """Take in what events call things and places; a later name does not replace an earlier one."""
        mentioned: set[str] = set()
        for event in events:
            view = event.view
            places = [place for place in (view.read_point, view.biz_location) if place is not None]
            mentioned.update(places, (uri for _, uri in (*view.sources, *view.destinations)))
            mentioned.update(mention.thing for mention in event.mentions)
            description = (view.ilmd or {}).get(_DESCRIPTION)
            if isinstance(description, str):
                for mention in event.mentions:
                    if mention.role in MADE:
                        self._descriptions.setdefault(mention.thing, description)
                        if mention.lot is not None:
                            self._descriptions.setdefault(mention.lot, description)
            for uri, members in event.view.places:
                name = members.get(_PLACE_NAME)
                if isinstance(name, str) and self._holder(uri) in (None, event.view.captured_by):
                    self._places.setdefault(uri, name)
        subjects = {subject for uri in mentioned for subject in standing_for(uri)} - self._stated.keys()
        if subjects:
            self._stated.update(dict.fromkeys(subjects))
            self._stated.update(self._ask(subjects))

    def description(self, thing: str) -> str | None:
        """Return what a thing is, or None when neither an event nor master data of it, its lot or its class says so."""
        return self._descriptions.get(thing) or self._called(thing)

    def title(self, thing: str) -> str:
        """Return the heading for a thing."""
        return self.description(thing) or kind_of(thing)

    def thing(self, uri: str) -> Named:
        """Return a thing in a sentence: its description, or its key, with the number that tells it from others."""
        description = self.description(uri)
        number = short_number(uri)
        return Named(f"{description}, {number}" if description else number, path_of(uri))

    def brief(self, uri: str) -> Named:
        """Return a thing where it is mentioned again and again: the end of its number is enough."""
        number = short_number(uri)
        word, _, digits = number.rpartition(" ")
        return Named(f"{word} …{digits[-_TAIL:]}" if len(digits) > 2 * _TAIL else number, path_of(uri))

    def known_as(self, thing: str) -> str:
        """Return a thing in a sentence, without its number: `Smoked trout fillet`, `a logistic unit`."""
        description = self.description(thing)
        if description:
            return description
        kind = kind_of(thing).lower()
        return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"

    def several(self, things: Iterable[str]) -> str:
        """Return things by kind and number: `24 × Smoked trout fillet and 3 logistic units`."""
        things = list(things)
        kinds = Counter((self.description(thing), kind_of(thing).lower()) for thing in things)
        if len(kinds) > _KINDS_TOLD:
            return f"{len(things)} things"
        return " and ".join(
            self.known_as(next(thing for thing in things if self.description(thing) == description))
            if number == 1
            else f"{number} × {description}"
            if description
            else f"{number} {kind}s"
            for (description, kind), number in kinds.items()
        )

    def place(self, uri: str) -> Named:
        """Return a place by its name, with its number."""
        name = self._called(uri) or self._places.get(uri) or self.party(uri)
        identifier = identify(uri)
        shown = identifier is not None and identifier.key is not None and name != short_number(uri)
        return Named(name, number=" ".join(human_readable(identifier)) if shown and identifier is not None else None)

    def party(self, uri: str) -> str:
        """Return a source or destination."""
        holder = self._holder(uri)
        return self._called(uri) or (
            self.organisation(holder) if holder else self._places.get(uri) or short_number(uri)
        )

    def holder(self, name: str) -> str:
        """Return who has or owns a thing: an organisation by its permanent name, or a party by URI."""
        return self._organisations.get(name) or self.party(name)

    def organisation(self, name: str) -> str:
        """Return who captured an event."""
        return self._organisations.get(name, name)

    def _called(self, uri: str) -> str | None:
        return next((name for subject in standing_for(uri) if (name := self._stated.get(subject))), None)

    def _holder(self, uri: str) -> str | None:
        return self._holders.get(gln_of(uri) or "")


def standing_for(uri: str) -> tuple[str, ...]:
    """Return what master data may be about: the thing, its lot, its class; a place inside another stands for itself."""
    identifier = identify(uri)
    if identifier is None:
        return (uri,)
    # A serial number is one of a million; nobody keeps master data of each.
    own = identifier.subject if identifier.serial is None else None
    return tuple(filter(None, (own, identifier.lot_uri, identifier.class_uri)))


def master_data(entries: Iterable[HistoryEntry]) -> Iterator[Mapping[str, object]]:
    """Return the ILMD that describes the very thing: what it was made with, not what was made of it or carried it."""
    for entry in entries:
        ilmd = entry.event.view.ilmd
        if ilmd and entry.counts and entry.via is None and any(mention.role in MADE for mention in entry.mentions):
            yield ilmd


def path_of(uri: str) -> str | None:
    """Return the address of a thing's page here, None for a private URI."""
    return uri.removeprefix(RESOLVER) if uri.startswith(f"{RESOLVER}/") else None


def kind_of(uri: str) -> str:
    """Return what kind of thing a URI names: `Logistic unit`."""
    identifier = identify(uri)
    if identifier is None:
        return "Thing"
    if identifier.kind is Kind.LOT:
        return "Lot"
    return "Product" if identifier.kind is Kind.CLASS and identifier.key == "01" else words.key(identifier.key)


def elements_of(identifier: Identifier) -> tuple[Detail, ...]:
    """Return the parts of a key, the telling ones first: serial, lot, then the key itself."""
    if identifier.key is None:
        return (Detail("URI", identifier.uri),)
    elements = read_path(identifier.uri.removeprefix(RESOLVER)) or ()
    return tuple(Detail(words.element(code), value) for code, value in reversed(elements))


def short_number(uri: str) -> str:
    """Return the last telling part of an identifier: `serial 0003`, `lot OAK-0902`, `logistic unit 0952…`."""
    identifier = identify(uri)
    if identifier is None or identifier.key is None:
        return uri
    elements = read_path(identifier.uri.removeprefix(RESOLVER)) or ()
    code, value = elements[-1]
    word = words.element(code) if len(elements) > 1 or code == "01" else words.key(code)
    return f"{word} {value}" if word.isupper() else f"{word[0].lower()}{word[1:]} {value}"
