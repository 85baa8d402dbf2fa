"""The collections of the EPCIS REST interface (EPCIS 2.0 §12.4): what their members are, and the question behind one.

A collection lists the values that the events which its reader may see have in one dimension. Each member leads to its
events, which any other parameter of a query narrows further.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Final

from traceability.gs1.epcis.event import TYPE_NAMES
from traceability.gs1.epcis.query.conditions import Condition, Names
from traceability.gs1.epcis.query.parameters import read_query
from traceability.gs1.epcis.query.values import QueryParameterError


class Collection(StrEnum):
    """A collection, by its name in an address."""

    EVENT_TYPES = "eventTypes"
    EPCS = "epcs"
    BIZ_STEPS = "bizSteps"
    BIZ_LOCATIONS = "bizLocations"
    READ_POINTS = "readPoints"
    DISPOSITIONS = "dispositions"

    @property
    def member(self) -> str:
        """Return what one of its members is called, as the standard names it in addresses."""
        return self.value[:-1]


_PARAMETERS: Final = {
    Collection.EVENT_TYPES: "eventType",
    Collection.BIZ_STEPS: "EQ_bizStep",
    Collection.BIZ_LOCATIONS: "EQ_bizLocation",
    Collection.READ_POINTS: "EQ_readPoint",
    Collection.DISPOSITIONS: "EQ_disposition",
}
EVENT_TYPES: Final = tuple(sorted(TYPE_NAMES))
"""The members of `eventTypes`, which are the same for everybody."""


def membership(collection: Collection, value: str) -> Condition:
    """Return the condition that an event belongs to a member; raises `QueryParameterError` for what can be none.

    An event belongs to an EPC, a lot or a class that it names anywhere in its what dimension.
    """
    if "|" in value:
        raise QueryParameterError("A member is one value, and none holds a |.")
    if collection is not Collection.EPCS:
        (condition,) = read_query([(_PARAMETERS[collection], value)]).conditions
        return condition
    single, counted = read_query([("MATCH_anyEPC", value), ("MATCH_anyEPCClass", value)]).conditions
    assert isinstance(single, Names)
    assert isinstance(counted, Names)
    return replace(single, lists=single.lists | counted.lists)
