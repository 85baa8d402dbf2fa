"""The CBV's words, units and keys in plain English.

Business steps and dispositions are those of CBV 2.0 §7.1 and §7.2. A word that is not in a table, say a company's
own, is shown as it is with its underscores opened: better a strange word than a wrong sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Final

from traceability.ledger.event import microseconds
from traceability.supply_chain.about_things import Stated
from traceability.supply_chain.aircraft_part.events import PartLimitSet, PartReleased, UtilisationStated
from traceability.supply_chain.decisions import (
    Decided,
    HoldPlaced,
    HoldReleased,
    TransferAccepted,
    TransferCancelled,
    TransferDeclined,
    TransferProposed,
)
from traceability.supply_chain.drug_package.events import (
    BatchRecalled,
    PackDeactivated,
    PackReactivated,
    ProductWithdrawn,
)
from traceability.supply_chain.entry import ClaimReason

_STEPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "accepting": "Accepted",
        "arriving": "Arrived",
        "assembling": "Assembled",
        "collecting": "Collected",
        "commissioning": "Given its identity",
        "consigning": "Consigned",
        "creating_class_instance": "Lot created",
        "cycle_counting": "Counted",
        "decommissioning": "Taken out of use",
        "departing": "Departed",
        "destroying": "Destroyed",
        "disassembling": "Taken apart",
        "dispensing": "Dispensed",
        "encoding": "Code written",
        "entering_exiting": "Passed a gate",
        "holding": "Held",
        "inspecting": "Inspected",
        "installing": "Installed",
        "killing": "Tag switched off",
        "loading": "Loaded",
        "other": "Something else was done",
        "packing": "Packed",
        "picking": "Picked",
        "receiving": "Received",
        "removing": "Removed",
        "repackaging": "Repacked",
        "repairing": "Repaired",
        "replacing": "Replaced",
        "reserving": "Code reserved",
        "retail_selling": "Sold to a customer",
        "sampling": "Taken as a sample",
        "sensor_reporting": "Measured by a sensor",
        "shipping": "Shipped",
        "staging_outbound": "Made ready to leave",
        "stock_taking": "Counted in stock",
        "stocking": "Put on sale",
        "storing": "Put into storage",
        "transforming": "Made into something else",
        "transporting": "Carried",
        "unloading": "Unloaded",
        "unpacking": "Unpacked",
        "void_shipping": "Shipment called off",
    }
)

_DISPOSITIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "active": "In use",
        "available": "Available",
        "completeness_inferred": "Thought to be complete",
        "completeness_verified": "Checked to be complete",
        "conformant": "Found in order",
        "container_closed": "Closed",
        "container_open": "Open",
        "damaged": "Damaged",
        "destroyed": "Destroyed",
        "dispensed": "Dispensed",
        "disposed": "Thrown away",
        "encoded": "Code written, not yet in use",
        "expired": "Expired",
        "in_progress": "In the hands of a business",
        "in_transit": "On its way",
        "inactive": "Out of use",
        "mismatch_class": "Not the product that was expected",
        "mismatch_instance": "Not the item that was expected",
        "mismatch_quantity": "Not the quantity that was expected",
        "needs_replacement": "Needs to be replaced",
        "no_pedigree_match": "Papers do not match",
        "non_conformant": "Found not in order",
        "non_sellable_other": "May not be sold",
        "partially_dispensed": "Partly dispensed",
        "recalled": "Recalled: do not use it",
        "reserved": "Code reserved",
        "retail_sold": "Sold to a customer",
        "returned": "Returned",
        "sellable_accessible": "On sale",
        "sellable_not_accessible": "In stock, not yet on sale",
        "stolen": "Stolen",
        "unavailable": "Not available",
        "unknown": "Not known",
    }
)

ALARMING: Final = frozenset(
    {
        "damaged",
        "expired",
        "mismatch_class",
        "mismatch_instance",
        "mismatch_quantity",
        "needs_replacement",
        "no_pedigree_match",
        "non_conformant",
        "non_sellable_other",
        "recalled",
        "stolen",
    }
)
"""Dispositions of which a reader should be warned."""

_TRANSACTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bol": "Bill of lading",
        "cert": "Certificate",
        "desadv": "Despatch advice",
        "inv": "Invoice",
        "pedigree": "Pedigree",
        "po": "Purchase order",
        "poc": "Order confirmation",
        "prodorder": "Production order",
        "recadv": "Receiving advice",
        "rma": "Return authorisation",
        "testprd": "Test procedure",
        "testres": "Test result",
        "upevt": "Upstream event",
    }
)

_PARTIES: Final[Mapping[str, str]] = MappingProxyType(
    {"owning_party": "owner", "possessing_party": "holder", "location": "place"}
)

_KEYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "00": "Logistic unit",
        "01": "Item",
        "253": "Document",
        "255": "Coupon",
        "401": "Consignment",
        "402": "Shipment",
        "414": "Place",
        "415": "Payment slip",
        "417": "Party",
        "8003": "Returnable asset",
        "8004": "Asset",
        "8006": "Piece of an item",
        "8010": "Component",
        "8013": "Model",
        "8017": "Service provider",
        "8018": "Service recipient",
    }
)

_ELEMENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "00": "SSCC",
        "01": "GTIN",
        "10": "Lot",
        "21": "Serial",
        "22": "Variant",
        "235": "Serial",
        "254": "Extension",
        "414": "GLN",
        "417": "GLN",
        "8003": "GRAI",
        "8004": "GIAI",
        "8010": "CPID",
        "8011": "Serial",
    }
)

# UN/CEFACT Recommendation 20 codes that a shopper meets; others are shown as their code.
_UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "A93": "g/m³",
        "CEL": "°C",
        "FAH": "°F",
        "GRM": "g",
        "HUR": "h",
        "KEL": "K",
        "KGM": "kg",
        "LTR": "l",
        "MTR": "m",
        "P1": "%",
        "TNE": "t",
    }
)

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def tables() -> dict[str, Mapping[str, str]]:
    """Return the tables that the page /verify puts events into words with, by the names that it knows them under."""
    return {
        "steps": _STEPS,
        "dispositions": _DISPOSITIONS,
        "transactions": _TRANSACTIONS,
        "parties": _PARTIES,
        "keys": _KEYS,
        "elements": _ELEMENTS,
        "units": _UNITS,
    }


_CLAIMS: Final[Mapping[ClaimReason, str]] = MappingProxyType(
    {
        ClaimReason.NO_AUTHORITY: "is not known to have made it, or to have or own it, or to be sent it",
        ClaimReason.PREFIX_OF_ANOTHER: "does not hold the company prefix of its number",
        ClaimReason.MADE_BY_ANOTHER: "did not make it: another had",
        ClaimReason.NOT_AUTHORISED: "has not what the register asks of who does this",
        ClaimReason.NO_SUCH_PROPOSAL: "answers a proposal that is not open",
        ClaimReason.NOT_ITS_RECEIVER: "is not whom it was offered to",
        ClaimReason.NOT_ITS_ISSUER: "did not make the proposal",
        ClaimReason.ISSUER_WITHOUT_ROLE: "relies on somebody who did not have it then",
        ClaimReason.NO_SUCH_HOLD: "releases a hold that is not there",
        ClaimReason.NOT_ITS_PLACER: "did not place the hold",
    }
)


def claim(reason: ClaimReason) -> str:
    """Return why an event is a claim, to follow who recorded it: `did not place the hold`."""
    return _CLAIMS[reason]


def decided(said: Decided) -> str:
    """Return what was decided, as the start of a line: `Put on hold, quality: a warm lorry`."""
    match said:
        case TransferProposed():
            return f"{opened(said.role)} offered to {said.receiver}"
        case TransferAccepted():
            return "Transfer accepted"
        case TransferDeclined() | TransferCancelled():
            done = "declined" if isinstance(said, TransferDeclined) else "called off"
            return _because(f"Transfer {done}", said.reason)
        case HoldPlaced():
            return f"Put on hold, {said.kind}: {said.reason}"
        case HoldReleased():
            return _because("Hold released", said.reason)
        case _:
            return _stated(said)


def _stated(said: Stated) -> str:
    match said:
        case PartReleased():
            return f"Released, {opened(said.status).lower()}: {said.form} {said.tracking_number}"
        case PartLimitSet():
            return f"Life limit set, {said.limit}"
        case UtilisationStated():
            return f"Flew {said.cycles} cycles and {said.minutes} minutes"
        case _:
            return _of_medicines(said)


def _of_medicines(said: Stated) -> str:
    match said:
        case PackDeactivated():
            return _because(f"Taken off sale, {opened(said.status).lower()}", said.note)
        case PackReactivated():
            return _because("Back on sale", said.note)
        case BatchRecalled():
            return f"Batch recalled: {said.reason}"
        case ProductWithdrawn():
            return f"Product withdrawn: {said.reason}"
        case _:
            return "Stated"


def _because(done: str, reason: str | None) -> str:
    return done if reason is None else f"{done}: {reason}"


def step(word: str | None) -> str:
    """Return what was done, as the start of a line: `Shipped`."""
    return "Recorded" if word is None else _STEPS.get(word) or opened(word)


def disposition(word: str | None) -> str:
    """Return the state of a thing: `On its way`."""
    return "Not known" if word is None else _DISPOSITIONS.get(word) or opened(word)


def transaction(word: str | None) -> str:
    """Return the kind of a business document: `Purchase order`."""
    return "Document" if word is None else _TRANSACTIONS.get(word) or opened(word)


def party(word: str | None) -> str:
    """Return the part of a source or destination: `owner`."""
    return "party" if word is None else _PARTIES.get(word) or opened(word).lower()


def key(code: str | None) -> str:
    """Return what a primary key names: `Logistic unit`."""
    return _KEYS.get(code or "", "Thing")


def element(code: str) -> str:
    """Return the short name of an Application Identifier: `Lot`."""
    return _ELEMENTS.get(code, f"({code})")


def unit(code: str | None) -> str:
    """Return a unit of measure as people write it: `kg`."""
    return "" if code is None else _UNITS.get(code, code)


def opened(word: str) -> str:
    """Return the last word of a URI or a name in snake case or camel case as plain words: `First aid`."""
    last = word.rstrip("/").rpartition("#")[2].rpartition("/")[2].rpartition(":")[2]
    spaced = "".join(f" {c.lower()}" if c.isupper() and i and last[i - 1].islower() else c for i, c in enumerate(last))
    text = " ".join(spaced.replace("_", " ").replace("-", " ").split())
    return text[:1].upper() + text[1:] or word


def moment(time: int, offset: str | None = None) -> str:
    """Return a time (µs UTC) as `2 Sep 2025, 17:05`, in UTC or at an offset such as `+02:00`."""
    at = datetime.fromtimestamp(time // 1_000_000, UTC).astimezone(_zone(offset))
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M}"


def _zone(offset: str | None) -> timezone:
    if offset is None:
        return UTC
    try:
        hours, minutes = int(offset[1:3]), int(offset[4:6])
        return timezone(timedelta(hours=hours, minutes=minutes) * (-1 if offset.startswith("-") else 1))
    except ValueError:
        return UTC


def short_moment(time: int, offset: str | None = None) -> str:
    """Return a time (µs UTC) without its year, for a table whose caption has it: `2 Sep, 15:05`."""
    day, _, clock = moment(time, offset).partition(", ")
    return f"{day.rpartition(' ')[0]}, {clock}"


def local_clock(time: int, offset: str | None, *, short: bool = False) -> str | None:
    """Return what the clock showed there, with the day only where it differs; None where the clocks show UTC."""
    written = short_moment if short else moment
    utc, there = written(time), written(time, offset)
    if offset is None or there == utc:
        return None
    day, _, clock = there.partition(", ")
    return f"{clock if utc.startswith(f'{day},') else there} ({offset})"


def iso(time: int) -> str:
    """Return a time (µs UTC) as the `datetime` of an HTML `time` element."""
    return datetime.fromtimestamp(time // 1_000_000, UTC).isoformat()


@dataclass(frozen=True, slots=True)
class Moment:
    """A time in UTC for a page: for its machines, and for its readers."""

    iso: str
    text: str

    @classmethod
    def of(cls, time: int) -> Moment:
        """Return a time (µs UTC) in both forms."""
        return cls(iso(time), moment(time))

    @classmethod
    def of_any(cls, time: int | None) -> Moment | None:
        """Return the same, None for what has not been yet."""
        return None if time is None else cls.of(time)


def instant(text: object, *, default: int) -> int:
    """Return a time of a sensor's report in µs UTC, `default` when it gives none that can be read."""
    if isinstance(text, str):
        try:
            return microseconds(text)
        except (ValueError, TypeError, OverflowError):
            return default
    return default
