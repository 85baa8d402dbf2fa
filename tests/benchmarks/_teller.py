"""How the events of the generated feed are written: as text, member by member, without a tree in between.

Everything here is a function of its arguments, to the byte: chance is a BLAKE2b digest, and no float is ever printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

from tests.benchmarks._partners import GATES, SITES, Key, Partner

EPOCH: Final = datetime(2024, 1, 1, tzinfo=UTC)
"""Times of the feed are milliseconds since then."""

_DAY: Final = 86_400_000
_MINUTE: Final = 60_000
_DEVICES: Final = 400
_OWNER, _HOLDER = "owning_party", "possessing_party"

Keys: TypeAlias = Sequence[Key]
Amounts: TypeAlias = Sequence[tuple[Key, int]]
"""Lots, and how many kilograms of each."""

Parties: TypeAlias = Sequence[tuple[str, Partner]]
"""Organisations, each with the type of source or destination that it is."""


class Told(NamedTuple):
    """One event: the index of the organisation that captures it, and its JSON text."""

    captor: int
    text: str


def chance(seed: int, name: str) -> bytes:
    """Return 64 bytes that are as good as random, the same ones for the same seed and name."""
    return blake2b(f"{seed}/{name}".encode()).digest()


class Teller:
    """Writes the events of one story in order of time: the first at `at`, each `pace` after the one before (ms)."""

    def __init__(self, seed: int, name: str, number: int, at: int, pace: int) -> None:
        self.told: list[Told] = []
        self._chance = chance(seed, name)
        self._number = number
        self._at = at
        self._pace = pace
        uuid = chance(seed, f"events of {name}").hex()
        self._identity = f"urn:uuid:{uuid[:8]}-{uuid[8:12]}-4{uuid[13:16]}-a{uuid[17:20]}-{uuid[20:30]}"

    def observe(
        self,
        who: Partner,
        step: str,
        disposition: str,
        *,
        items: Keys = (),
        lots: Amounts = (),
        action: str = "OBSERVE",
        rest: str = "",
    ) -> None:
        """Add an ObjectEvent."""
        what = f'"action":"{action}"{_items(who, "epcList", items)}{_lots(who, "quantityList", lots)}'
        self._add(who, "ObjectEvent", what, step, disposition, rest=rest)

    def pack(self, who: Partner, parent: Key, *, items: Keys = (), lots: Amounts = ()) -> None:
        """Add an AggregationEvent that puts something in."""
        what = _children(who, parent, items, lots)
        self._add(who, "AggregationEvent", f'"action":"ADD",{what}', "packing", "in_progress")

    def unpack(self, who: Partner, parent: Key, *, items: Keys = (), lots: Amounts = ()) -> None:
        """Add an AggregationEvent that takes these out, or all if none is named."""
        what = _children(who, parent, items, lots)
        self._add(who, "AggregationEvent", f'"action":"DELETE",{what}', "unpacking", "in_progress")

    def transform(
        self,
        who: Partner,
        step: str = "commissioning",
        *,
        items: Keys = (),
        lots: Amounts = (),
        into: Keys = (),
        into_lots: Amounts = (),
        joined: str = "",
        rest: str = "",
    ) -> None:
        """Add a TransformationEvent of items and lots into others; `joined` is its transformationID."""
        name = f',"transformationID":"{joined}"' if joined else ""
        inputs = _items(who, "inputEPCList", items) + _lots(who, "inputQuantityList", lots)
        outputs = _items(who, "outputEPCList", into) + _lots(who, "outputQuantityList", into_lots)
        self._add(who, "TransformationEvent", f"{name}{inputs}{outputs}"[1:], step, "active", rest=rest)

    def transact(self, who: Partner, items: Keys, *transactions: tuple[str, str]) -> None:
        """Add a TransactionEvent that ties items to business transactions, (type, URI) each."""
        what = f'"action":"ADD"{_items(who, "epcList", items)}'
        self._add(who, "TransactionEvent", what, "accepting", "in_progress", rest=referring(*transactions))

    def take_back(self, reason: str) -> None:
        """Declare the event before an error: the same event with the same eventID, which it must have."""
        captor, text = self.told[-1]
        assert '"eventID":' in text, "nothing would say which event is taken back"
        declared = _utc(self._at + len(self.told) * self._pace)
        declaration = f',"errorDeclaration":{{"declarationTime":"{declared}","reason":"{reason}"}}}}'
        self.told.append(Told(captor, text[:-1] + declaration))

    def ship(self, goods: Key, ways: tuple[Partner, Partner, Partner], *, order: str, device: int) -> None:
        """Add the eight ObjectEvents of a journey, from sender over carrier to receiver, and a sensor goes along."""
        sender, carrier, receiver = ways
        notice = ("desadv", f"{order}N")
        self.observe(sender, "staging_outbound", "container_closed", items=[goods])
        self.observe(sender, "loading", "in_progress", items=[goods], rest=referring(notice))
        papers = referring(("po", order), notice)
        handed = between(sender, [(_OWNER, sender)], [(_OWNER, receiver), (_HOLDER, carrier)])
        self.observe(sender, "shipping", "in_transit", items=[goods], rest=papers + handed)
        for _ in range(2):
            readings = self._readings(carrier, device)
            self.observe(carrier, "transporting", "in_transit", items=[goods], rest=readings)
        self.observe(carrier, "arriving", "in_transit", items=[goods])
        handed = between(receiver, [(_OWNER, sender), (_HOLDER, carrier)], [(_OWNER, receiver), (_HOLDER, receiver)])
        self.observe(receiver, "receiving", "in_progress", items=[goods], rest=papers + handed)
        self.observe(receiver, "storing", "sellable_not_accessible", items=[goods])

    def _add(self, who: Partner, kind: str, what: str, step: str, disposition: str, *, rest: str = "") -> None:
        stage = len(self.told)
        identity = "" if (stage + self._number) % 10 == 0 else f'"eventID":"{self._identity}{stage:02x}",'
        where = who.where[self._chance[(stage + 7) % 64] % (SITES * GATES)]
        text = (
            f'{{"type":"{kind}",{identity}"eventTime":"{self._time(who)}","eventTimeZoneOffset":"{who.offset_text}",'
            f'{what},"bizStep":"{step}","disposition":"{disposition}",{where}{rest}{who.remark},'
            f'"ext:record":"https://{who.name}/records/{self._number:06d}-{stage:02d}"}}'
        )
        self.told.append(Told(who.index, text))

    def _time(self, who: Partner) -> str:
        at = self._at + len(self.told) * self._pace
        if who.zulu:
            return _utc(at)
        return _utc(at + who.offset * _MINUTE)[:-1] + who.offset_text

    def _readings(self, who: Partner, device: int) -> str:
        stage = len(self.told)
        at = self._at + stage * self._pace
        degrees, tenths = divmod(20 + self._chance[stage % 64] % 40, 10)
        percent = 40 + self._chance[(stage + 31) % 64] % 50
        return (
            f',"sensorElementList":[{{"sensorMetadata":{{"startTime":"{_utc(at - self._pace)}","endTime":"{_utc(at)}",'
            f'"deviceID":"{who.write(who.device(device % _DEVICES))}",'
            f'"dataProcessingMethod":"https://{who.name}/methods/five-minute-mean"}},"sensorReport":['
            f'{{"type":"Temperature","minValue":{degrees}.{tenths},"maxValue":{degrees + 1}.{tenths},'
            f'"meanValue":{degrees}.{tenths}5,"uom":"CEL"}},'
            f'{{"type":"RelativeHumidity","value":{percent}.0,"uom":"A93"}}]}}]'
        )


def referring(*transactions: tuple[str, str]) -> str:
    """Return the bizTransactionList of (type, URI) pairs, as what follows other members."""
    pairs = ",".join([f'{{"type":"{kind}","bizTransaction":"{uri}"}}' for kind, uri in transactions])
    return f',"bizTransactionList":[{pairs}]'


def between(who: Partner, sources: Parties, destinations: Parties) -> str:
    """Return the sourceList and destinationList of a handover, as what follows other members."""
    given = ",".join([f'{{"type":"{kind}","source":"{who.write(party.party)}"}}' for kind, party in sources])
    taken = ",".join([f'{{"type":"{kind}","destination":"{who.write(party.party)}"}}' for kind, party in destinations])
    return f',"sourceList":[{given}],"destinationList":[{taken}]'


def master(lot: str, name: str, days: int) -> str:
    """Return instance/lot master data, as what follows other members; it expires after so many days."""
    expiry = (EPOCH + timedelta(days=800 + days)).date().isoformat()
    return (
        f',"ilmd":{{"cbvmda:lotNumber":"{lot}","cbvmda:descriptionShort":"{name}",'
        f'"cbvmda:itemExpirationDate":"{expiry}","ext:recipe":{{"ext:version":{days % 9 + 1},"ext:organic":true}}}}'
    )


def note(name: str, value: str) -> str:
    """Return an extension of the event, as what follows other members."""
    return f',"ext:{name}":"{value}"'


def _items(who: Partner, field: str, keys: Keys) -> str:
    return f',"{field}":["{who.write_all(keys)}"]' if keys else ""


def _children(who: Partner, parent: Key, items: Keys, lots: Amounts) -> str:
    children = _items(who, "childEPCs", items) + _lots(who, "childQuantityList", lots) or ',"childEPCs":[]'
    return f'"parentID":"{who.write(parent)}"{children}'


def _lots(who: Partner, field: str, amounts: Amounts) -> str:
    if not amounts:
        return ""
    elements = [f'{{"epcClass":"{who.write(lot)}","quantity":{amount},"uom":"KGM"}}' for lot, amount in amounts]
    return f',"{field}":[{",".join(elements)}]'


def _utc(at: int) -> str:
    day, rest = divmod(at, _DAY)
    minute, ms = divmod(rest, _MINUTE)
    return f"{_date(day)}T{minute // 60:02d}:{minute % 60:02d}:{ms // 1000:02d}.{ms % 1000:03d}Z"


@lru_cache(maxsize=2_000)
def _date(day: int) -> str:
    return (EPOCH + timedelta(days=day)).date().isoformat()
