"""What commands have in common: the members of their bodies, and the EPCIS event that these become."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, ClassVar, Final, Self

import msgspec
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from traceability.errors import InvalidInputError
from traceability.gs1.epcis.strict_json import JSON, Number
from traceability.gs1.identifiers import Identifier, IdentifierError, Kind, parse_identifier
from traceability.gs1.links import link_of
from traceability.gs1.reading import read_value
from traceability.gs1.uris import is_absolute_uri
from traceability.ledger.event import EPOCH, utc_text
from traceability.ledger.store import Ledger
from traceability.supply_chain.commands.picture import Picture
from traceability.supply_chain.commands.refusal import Fault, Rule
from traceability.supply_chain.commands.surroundings import Surroundings
from traceability.supply_chain.decisions import Decided
from traceability.supply_chain.seen import SeenEvent, is_class, is_lot, thing_of

MOST_ITEMS: Final = 99_999
"""Things that a command may name: with a parent an event has room for no more."""
LOT_NUMBER: Final = "urn:epcglobal:cbv:mda:lotNumber"
EXPIRY: Final = "urn:epcglobal:cbv:mda:itemExpirationDate"
_BRACKET: Final = "("
_AHEAD_US: Final = 60_000_000  # clocks differ a little


def decoded(text: bytes) -> JSON:
    """Decode JSON with its numbers as int and Decimal: a float would lose digits of a quantity. Raises `ValueError`."""
    try:
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError) as error:
        raise ValueError(str(error)) from error


_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode


def _identifier(text: str) -> Identifier:
    try:
        if text.startswith(_BRACKET):
            return parse_identifier(link_of(read_value(text).ais))
        return parse_identifier(text)
    except IdentifierError as error:
        raise ValueError(f"this is no identifier ({error.code})") from error  # which is not repeated


def _thing(text: str) -> str:
    identifier = _identifier(text)
    if identifier.kind in (Kind.CLASS, Kind.LOT):
        raise ValueError("a lot or a class is counted: it belongs under quantities")
    return identifier.uri


def _thing_or_lot(text: str) -> str:
    identifier = _identifier(text)
    if identifier.kind is Kind.CLASS:
        raise ValueError("this is a whole class of goods: name its lots or things")
    return identifier.uri


def _counted(text: str) -> str:
    identifier = _identifier(text)
    if identifier.kind not in (Kind.CLASS, Kind.LOT, Kind.PRIVATE):
        raise ValueError("this is one thing, and has no quantity")
    return identifier.uri


def _place(text: str) -> str:
    identifier = _identifier(text)
    if identifier.kind not in (Kind.PLACE, Kind.PARTY, Kind.PRIVATE):
        raise ValueError("this is no place and no party")
    return identifier.uri


def _uri(text: str) -> str:
    if not is_absolute_uri(text):
        raise ValueError("this is no absolute URI")
    return text


_Text = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
Thing = Annotated[_Text, AfterValidator(_thing)]
"""One thing, by its Digital Link, EPC URN, bracketed element strings or another URI; kept as the canonical URI."""
ThingOrLot = Annotated[_Text, AfterValidator(_thing_or_lot)]
"""One thing or a whole lot, likewise."""
Counted = Annotated[_Text, AfterValidator(_counted)]
"""A lot or class, likewise."""
PlaceId = Annotated[_Text, AfterValidator(_place)]
Uri = Annotated[_Text, AfterValidator(_uri)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
PACK: Final = "https://id.gs1.org/01/09521234000013/21/1001"
LOT: Final = "https://id.gs1.org/01/09521234000013/10/A7"
PALLET: Final = "https://id.gs1.org/00/095212340000000013"
PLACE: Final = "https://id.gs1.org/414/9521234000006"
Things = Annotated[list[Thing], Field(max_length=MOST_ITEMS, examples=[[PACK]])]
ThingsOrLots = Annotated[list[ThingOrLot], Field(max_length=MOST_ITEMS, examples=[[PACK]])]


class Quantity(BaseModel):
    """So much of a lot or class; without `uom` it is pieces. A number keeps all its digits, and so does a text."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: Counted = Field(examples=[LOT])
    quantity: Decimal = Field(gt=0, max_digits=38, decimal_places=18, allow_inf_nan=False, examples=["12.5"])
    uom: str | None = Field(
        default=None, pattern="^[A-Z0-9]{2,3}$", description="Code of UN/ECE Recommendation 20.", examples=["KGM"]
    )

    def element(self) -> dict[str, JSON]:
        """Return the QuantityElement (EPCIS 2.0 §7.3.3.3)."""
        element: dict[str, JSON] = {"epcClass": self.id, "quantity": Number(f"{self.quantity:f}")}
        return element if self.uom is None else {**element, "uom": self.uom}


Quantities = Annotated[list[Quantity], Field(max_length=1_000)]


class Transaction(BaseModel):
    """A business document that the event belongs to (EPCIS 2.0 §7.3.5)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    type: Word | None = Field(default=None, description="CBV word or URI.", examples=["po"])
    id: Uri = Field(examples=["urn:epcglobal:cbv:bt:9521234000006:PO1"])


@dataclass(frozen=True, slots=True)
class Case:
    """A command in the making: whose it is, when it happened (µs UTC), and what its organisation sees around it."""

    organisation: str
    at: int
    around: Surroundings
    ledger: Ledger
    new_name: Callable[[], str]


class Command(BaseModel):
    """What an organisation wants done.

    A command reads what its guards `look` at, tells in one event what is `said` to have happened, and what `breaks` a
    rule of its own beside those that hold of everything (`faults`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: ClassVar[str]
    emits: ClassVar[str]
    """The event, in a few words for people."""
    rules: ClassVar[tuple[Rule, ...]]
    """What it may be refused for; one about the past may be for anything that came later."""

    @classmethod
    def read(cls, text: bytes) -> Self:
        """Read a command from JSON, with all the digits of its numbers.

        Raises pydantic's `ValidationError`, or `InvalidInputError` (`command.malformed`) for what only looks like JSON.
        """
        try:
            said = decoded(text)
        except ValueError as error:
            cls.model_validate_json(text)  # tells where it is no JSON
            raise InvalidInputError("The body of a command is JSON", code="command.malformed") from error
        return cls.model_validate(said)

    @property
    def new_event_id(self) -> str | None:
        """Return the eventID that the event is to have, None for any."""
        return None

    def happened_at(self, now: int) -> int:
        """Return the event time, in microseconds UTC; raises `InvalidInputError` (`command.time`)."""
        return now

    def look(self, case: Case) -> None:
        """Read what the guards look at."""
        raise NotImplementedError

    def said(self, case: Case) -> dict[str, JSON] | Decided:
        """Return what happened, as one EPCIS event in JSON, without an eventID if any will do, or as a decision."""
        raise NotImplementedError

    def seen_by(self, case: Case) -> Iterable[str]:  # noqa: ARG002
        """Return the parties that may see a decision beside who makes it."""
        return ()

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:  # noqa: ARG002
        """Yield what keeps the command from being carried out, beside the faults that its events would add."""
        return ()


class Timed(Command):
    """A command about a moment that may be in the past."""

    event_time: AwareDatetime | None = Field(
        default=None, description="When it happened, with its offset; now if left out.", examples=[None]
    )

    def happened_at(self, now: int) -> int:
        """Return the event time, in microseconds UTC; raises `InvalidInputError` (`command.time`)."""
        if self.event_time is None:
            return now
        try:
            at = (self.event_time.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)
        except OverflowError as error:
            raise InvalidInputError("This time is outside the years 1 to 9999 of UTC", code="command.time") from error
        if at > now + _AHEAD_US:
            raise InvalidInputError(
                "This event_time is in the future", code="command.time", hint="Leave it out for what happens now."
            )
        return at


class NewEvent(Timed):
    """What a command says of a new EPCIS event, whatever it is."""

    event_id: Uri | None = Field(
        default=None, description="The eventID, for a correction that announced it; a new one if left out."
    )
    read_point: PlaceId | None = Field(default=None, description="Where it happened.", examples=[PLACE])
    biz_location: PlaceId | None = Field(default=None, description="Where the things are then.", examples=[PLACE])
    transactions: list[Transaction] = Field(default=[], max_length=100, description="Business documents.")

    @property
    def new_event_id(self) -> str | None:
        """Return the eventID that the event is to have, None for any."""
        return self.event_id

    def with_common(self, case: Case, members: Mapping[str, JSON]) -> dict[str, JSON]:
        """Return an event of these members and those that all commands have; what says nothing is left out."""
        transactions = [
            {"bizTransaction": one.id} if one.type is None else {"type": one.type, "bizTransaction": one.id}
            for one in self.transactions
        ]
        event = {
            "eventID": self.event_id,
            "eventTime": utc_text(case.at),
            "eventTimeZoneOffset": _offset(self.event_time),
            "readPoint": None if self.read_point is None else {"id": self.read_point},
            "bizLocation": None if self.biz_location is None else {"id": self.biz_location},
            "bizTransactionList": transactions,
            **members,
        }
        return {name: value for name, value in event.items() if value not in (None, [], {})}


def _offset(time: datetime | None) -> str:
    minutes = 0 if time is None else int((time.utcoffset() or timedelta()).total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def things_of(uris: Iterable[str], quantities: Iterable[Quantity] = ()) -> set[str]:
    """Return the names of things and of what is counted."""
    return {thing_of(uri) for uri in uris}.union(thing_of(quantity.id) for quantity in quantities)


def elements(quantities: Iterable[Quantity]) -> list[JSON]:
    """Return QuantityElements."""
    return [quantity.element() for quantity in quantities]


def ilmd(lot: str | None, expiry: date | None) -> dict[str, JSON]:
    """Return the master data of what is made (CBV 2.0 §9.2)."""
    members = {LOT_NUMBER: lot, EXPIRY: None if expiry is None else expiry.isoformat()}
    return {name: value for name, value in members.items() if value is not None}


def unknown(case: Case, things: Iterable[str], draft: SeenEvent, after: Picture) -> Iterable[Fault]:
    """Yield a fault for each of these things of which nothing is known at the command's time."""
    lots = set()
    for thing in things:
        told = [entry.event for entry in after.entries[after.stands_for(thing)]]
        if told and told[0] is not draft and told[0].occurred_at <= case.at:
            continue
        if is_lot(thing):
            lots.add(thing)  # a member may be known
        elif not is_class(thing):
            later = next((event.position for event in told if event is not draft), None)
            yield Fault(Rule.UNKNOWN, thing, draft.position, later)
    lots -= case.around.known(lots, case.at)
    yield from (Fault(Rule.UNKNOWN, lot, draft.position, None) for lot in lots)
