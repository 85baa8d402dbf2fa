"""What an event says of a business transfer: whether it moves custody, and between whom."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import SeenEvent

SHIPPING: Final = frozenset({"shipping", "departing", "consigning"})
RECEIVING: Final = frozenset({"receiving", "arriving", "accepting"})
VOID_SHIPPING: Final = "void_shipping"
SENDING_BACK: Final = frozenset({"rejecting", "returning"})
"""Steps that are no words of the CBV: these are the ends of private URIs."""
_SENDING_BACK: Final = tuple(SENDING_BACK)
IN_TRANSIT: Final = "in_transit"
_OWNER, _POSSESSOR, _PLACE = "owning_party", "possessing_party", "location"


class Movement(StrEnum):
    """What an event does to the custody of what it names."""

    SHIP = "ship"
    RECEIVE = "receive"
    SEND_BACK = "send_back"
    VOID = "void"


class Party(msgspec.Struct, frozen=True):
    """Who has something, by name; `voice` is the organisation that speaks for it.

    An organisation speaks for itself. For a party that is none of this ledger, who recorded the handing over does.
    """

    name: str
    voice: str


class Ends(msgspec.Struct, frozen=True):
    """The ends of a business transfer, as far as an event names them."""

    owner_before: Party | None = None
    possessor_before: Party | None = None
    owner: Party | None = None
    possessor: Party | None = None
    place: Party | None = None


_NO_ENDS: Final = Ends()


def movement(event: SeenEvent) -> Movement | None:
    """Return how an event moves custody, None when it does not."""
    step = event.head.bizStep or ""
    if step in RECEIVING:
        return Movement.RECEIVE
    if step in SHIPPING:
        return Movement.SHIP
    if step == VOID_SHIPPING:
        return Movement.VOID
    if step.endswith(_SENDING_BACK) and step.replace(":", "/").rpartition("/")[2] in SENDING_BACK:
        return Movement.SEND_BACK
    if event.head.disposition == IN_TRANSIT and any(kind in (_OWNER, _POSSESSOR) for kind, _ in event.ends[1]):
        return Movement.SHIP
    return None


class Transfers:
    """Who is meant by the ends that events name, as `parties` knows them; kept for all the things of a question."""

    def __init__(self, parties: Parties) -> None:
        self.parties = parties
        self._organisations: dict[str, str | None] = {}

    def authorised(self, event: SeenEvent) -> bool:
        """Tell whether who recorded an event has what the register asks of who does this."""
        step, at = event.head.bizStep, event.occurred_at
        if step is None or not self.parties.is_ruled(step, at):
            return True
        return self.parties.authorised(event.captured_by, step, at, self._other_side(event))

    def ends(self, event: SeenEvent) -> Ends:
        """Return the ends that an event names."""
        sources, destinations = event.ends
        if not sources and not destinations:
            return _NO_ENDS
        before = {kind: uri for kind, uri in reversed(sources) if kind is not None}
        after = {kind: uri for kind, uri in reversed(destinations) if kind is not None}
        place = self._party(after.get(_PLACE), event)
        return Ends(
            owner_before=self._party(before.get(_OWNER), event),
            possessor_before=self._party(before.get(_POSSESSOR), event),
            owner=self._party(after.get(_OWNER), event),
            possessor=self._party(after.get(_POSSESSOR), event),
            # A place is nobody, unless it is somebody's.
            place=place if place is not None and place.name != after.get(_PLACE) else None,
        )

    def organisation_of(self, uri: str) -> str | None:
        """Return the organisation that a party or place belongs to; each is asked for once."""
        if uri not in self._organisations:
            self._organisations[uri] = self.parties.organisation_of(uri)
        return self._organisations[uri]

    def is_at_home(self, event: SeenEvent) -> bool:
        """Tell whether who recorded an event holds one of its places."""
        return any(self.organisation_of(place) == event.captured_by for place in event.places if place is not None)

    def _other_side(self, event: SeenEvent) -> str | None:
        """Return with whom who recorded an event says to deal, None where it names nobody else."""
        ends = self.ends(event)
        parties = (ends.possessor, ends.owner, ends.place, ends.possessor_before, ends.owner_before)
        return next((one.name for one in parties if one is not None and one.name != event.captured_by), None)

    def _party(self, uri: str | None, event: SeenEvent) -> Party | None:
        if uri is None:
            return None
        organisation = self.organisation_of(uri)
        return Party(uri, event.captured_by) if organisation is None else Party(organisation, organisation)
