"""Key data elements of a lot's critical tracking events (21 CFR Part 1 Subpart S), and which of them are missing.

An element is what the event tells, or for the source of the lot code what the event tells that assigned it. Which event
is tracked as what follows from its step and from the part that the lot plays in it (`Tracked`). Exemptions are nobody's
business here: what is missing is missing for who reads it, who may see less than others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from traceability.gs1.epcis.view import read_ilmd
from traceability.ledger.event import utc_text
from traceability.supply_chain.entry import HistoryEntry
from traceability.supply_chain.item import makes
from traceability.supply_chain.lot.terms import CODE_SOURCE, CODE_SOURCE_REFERENCE, word_of
from traceability.supply_chain.seen import TRANSFORMATION_EVENT, Role, SeenEvent


class Tracked(StrEnum):
    """As what an event of a food is tracked (21 CFR 1.1310)."""

    HARVESTING = "harvesting"
    COOLING = "cooling"
    INITIAL_PACKING = "initial_packing"
    FIRST_LAND_BASED_RECEIVING = "first_land_based_receiving"
    SHIPPING = "shipping"
    RECEIVING = "receiving"
    TRANSFORMED = "transformed"
    """The lot was used in a transformation."""
    TRANSFORMATION = "transformation"
    """The lot came out of one."""


class Element(StrEnum):
    """What is to be known of a tracked event."""

    LOT_CODE = "traceability_lot_code"
    QUANTITY = "quantity"
    UNIT = "unit_of_measure"
    DESCRIPTION = "product_description"
    LOCATION = "location"
    """Where it was done: harvested, cooled, packed, shipped from, received or transformed."""
    DATE = "date"
    SOURCE = "previous_source"
    RECIPIENT = "subsequent_recipient"
    CODE_SOURCE = "traceability_lot_code_source"
    DOCUMENT = "reference_document"
    HARVEST_DATE = "harvest_date"
    FARM = "farm"


_ALWAYS: Final = (Element.QUANTITY, Element.UNIT, Element.DESCRIPTION, Element.LOCATION, Element.DATE)
_CODED: Final = (Element.LOT_CODE, *_ALWAYS, Element.CODE_SOURCE)
WANTED: Final[Mapping[Tracked, tuple[Element, ...]]] = {
    Tracked.HARVESTING: (*_ALWAYS, Element.RECIPIENT, Element.DOCUMENT),
    Tracked.COOLING: (*_ALWAYS, Element.RECIPIENT, Element.DOCUMENT),
    Tracked.INITIAL_PACKING: (*_CODED, Element.HARVEST_DATE, Element.FARM, Element.DOCUMENT),
    Tracked.FIRST_LAND_BASED_RECEIVING: (*_CODED, Element.HARVEST_DATE, Element.DOCUMENT),
    Tracked.SHIPPING: (*_CODED, Element.RECIPIENT, Element.DOCUMENT),
    Tracked.RECEIVING: (*_CODED, Element.SOURCE, Element.DOCUMENT),
    Tracked.TRANSFORMED: (Element.LOT_CODE, Element.QUANTITY, Element.UNIT, Element.DESCRIPTION, Element.CODE_SOURCE),
    Tracked.TRANSFORMATION: (*_CODED, Element.DOCUMENT),
}
"""The elements of each (21 CFR 1.1325 to 1.1350), as far as EPCIS has a place for them."""
_BY_STEP: Final = {
    "harvesting": Tracked.HARVESTING,
    "cooling": Tracked.COOLING,
    "landing": Tracked.FIRST_LAND_BASED_RECEIVING,
    "shipping": Tracked.SHIPPING,
    "receiving": Tracked.RECEIVING,
}
_MASTER_DATA: Final = {
    Element.DESCRIPTION: ("descriptionShort", "functionalName", "productName"),
    Element.HARVEST_DATE: ("harvestStartDate", "harvestEndDate", "harvestDate"),
    Element.FARM: ("farmName", "growingArea"),
}
_ENDS: Final = ("location", "possessing_party", "owning_party")


class KeyData(NamedTuple):
    """A tracked event: what is told of each element, in texts, and what is not."""

    tracked: Tracked
    position: int
    told: Mapping[Element, tuple[str, ...]]

    @property
    def missing(self) -> tuple[Element, ...]:
        """Return the elements that are not told."""
        return tuple(element for element in WANTED[self.tracked] if not self.told.get(element))


class Background(NamedTuple):
    """What is known of a lot beside one event: its description, the place that assigned its code, its harvest."""

    description: str | None = None
    code_source: str | None = None
    harvested: str | None = None
    farm: str | None = None


def tracked_as(entry: HistoryEntry) -> list[Tracked]:
    """Return as what an event of a lot, or of a container that it is in, is tracked: mostly as nothing.

    What names members of the lot alone is one that makes them.
    """
    event, step = entry.event, word_of(entry.event.head.bizStep)
    roles = {mention.role for mention in entry.mentions} if entry.mentions else {Role.OUTPUT}
    roles = roles if entry.via is None else set()
    if event.type == TRANSFORMATION_EVENT:
        sides = ((Role.INPUT, Tracked.TRANSFORMED), (Role.OUTPUT, Tracked.TRANSFORMATION))
        return [tracked for role, tracked in sides if role in roles]
    if makes(event, roles) and step == "receiving":
        return [Tracked.FIRST_LAND_BASED_RECEIVING]
    known = _BY_STEP.get(step)
    if known is not None:
        return [known]
    return [Tracked.INITIAL_PACKING] if makes(event, roles) else []


def key_data(
    lot: str, entry: HistoryEntry, amounts: Sequence[tuple[str | None, Decimal]], known: Background
) -> Iterator[KeyData]:
    """Yield what is told of an event as it is tracked; `amounts` by unit are those of the lot in it."""
    for tracked in tracked_as(entry):
        told = dict(_told(lot, entry.event, _of_side(tracked, entry, amounts), known))
        wanted = WANTED[tracked]
        yield KeyData(tracked, entry.event.position, {one: told[one] for one in wanted if told.get(one)})


def _of_side(
    tracked: Tracked, entry: HistoryEntry, amounts: Sequence[tuple[str | None, Decimal]]
) -> Sequence[tuple[str | None, Decimal]]:
    """Return the amounts of a lot on one side of a transformation that has it on both."""
    role = {Tracked.TRANSFORMED: Role.INPUT, Tracked.TRANSFORMATION: Role.OUTPUT}.get(tracked)
    if role is None or not entry.mentions:
        return amounts
    return [(m.uom, m.quantity) for m in entry.mentions if m.role is role and m.quantity is not None]


def _told(
    lot: str, event: SeenEvent, amounts: Sequence[tuple[str | None, Decimal]], known: Background
) -> Iterator[tuple[Element, tuple[str, ...]]]:
    view = event.view
    sources, destinations = event.ends
    own = read_ilmd(event.parts.how)
    yield Element.LOT_CODE, (lot,)
    yield Element.QUANTITY, tuple(f"{quantity:f}" for _, quantity in amounts)
    yield Element.UNIT, tuple(uom for uom, _ in amounts if uom is not None)
    yield Element.LOCATION, _some(view.read_point or view.biz_location)
    yield Element.DATE, (utc_text(event.occurred_at),)
    yield Element.SOURCE, tuple(uri for kind in _ENDS for name, uri in sources if name == kind)
    yield Element.RECIPIENT, tuple(uri for kind in _ENDS for name, uri in destinations if name == kind)
    yield Element.DOCUMENT, tuple(f"{kind or 'document'} {uri}" for kind, uri in view.biz_transactions)
    yield Element.DESCRIPTION, _some(master_datum(own, *_MASTER_DATA[Element.DESCRIPTION]) or known.description)
    yield Element.HARVEST_DATE, _some(master_datum(own, *_MASTER_DATA[Element.HARVEST_DATE]) or known.harvested)
    farm = master_datum(own, *_MASTER_DATA[Element.FARM]) or known.farm
    yield Element.FARM, _some(farm)
    yield Element.CODE_SOURCE, (*code_sources(event), *([] if known.code_source is None else [known.code_source]))


def code_sources(event: SeenEvent) -> tuple[str, ...]:
    """Return the source of the lot code, or the reference to it, that an event carries."""
    extensions = event.view.extensions or {}
    return tuple(
        str(value)
        for name in (CODE_SOURCE, CODE_SOURCE_REFERENCE)
        if isinstance(value := extensions.get(name), str) and value
    )


def background(described: str | None, made: SeenEvent | None, harvested: SeenEvent | None) -> Background:
    """Return what is known beside each event, by those that made the lot and that harvested it."""
    told = {} if made is None else read_ilmd(made.parts.how)
    day = master_datum(told, *_MASTER_DATA[Element.HARVEST_DATE])
    farm = master_datum(told, *_MASTER_DATA[Element.FARM])
    return Background(
        master_datum(told, *_MASTER_DATA[Element.DESCRIPTION]) or described,
        None if made is None else made.place,
        day or (None if harvested is None else utc_text(harvested.occurred_at)),
        farm or (None if harvested is None else harvested.place),
    )


def master_datum(ilmd: Mapping[str, str], *words: str) -> str | None:
    """Return what master data tells under the first of these words, whoever's vocabulary it is in."""
    told = {word_of(name): text for name, text in ilmd.items() if text}
    return next((told[word] for word in words if word in told), None)


def _some(text: str | None) -> tuple[str, ...]:
    return () if text is None else (text,)
