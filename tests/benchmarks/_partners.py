"""Fifty organisations of a food supply chain, and how each of them writes GS1 keys.

A thing has one `Key` and as many spellings as there are partners: half of the organisations write EPC URNs, the others
GS1 Digital Links, some of them on a domain of their own. Numbers are of GS1's prefix 952, which is for examples;
company prefixes have 6 to 9 digits, and none begins with another.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from traceability.gs1.check_digits import check_digit
from traceability.gs1.digital_link import RESOLVER

ROLES: Final = (
    ("farm", 10),
    ("supplier", 4),
    ("processor", 8),
    ("packer", 8),
    ("pool", 1),
    ("carrier", 4),
    ("distributor", 5),
    ("store", 10),
)
"""Who there is, in order of index; they sum to 50."""

SITES: Final = 3
"""Places of an organisation that have a GLN, beside the GLN of the organisation itself."""

GATES: Final = 12
"""Read points of a site."""

_GTIN_REFERENCE: Final = 12
_SSCC_SERIAL: Final = 16
_GLN_REFERENCE: Final = 12
_RECORD: Final = 7
_REMARKS: Final = (
    {"ext:sentBy": {"ext:system": "warehouse 4.2", "ext:interface": "https://epcis.{}/v2", "ext:retries": 0}},
    {"ext:operator": "scanner", "ext:site": {"ext:system": "line control 11", "ext:address": "https://mes.{}/v1"}},
    {"ext:message": {"ext:system": "ERP", "ext:version": "2023-07", "ext:sender": "{}", "ext:test": False}},
)
"""What partners add to each of their events, as they do in the field; {} is their name."""

_OFFSETS: Final = (60, 0, 120, -300, 330, 60)


class Key(NamedTuple):
    """One thing, lot, place or party: its EPC URN, and the path of its Digital Link."""

    urn: str
    path: str

    @property
    def link(self) -> str:
        """Return the canonical identifier."""
        return RESOLVER + self.path


@dataclass(frozen=True, slots=True)
class Product:
    """A trade item: what stands before the serial or lot number in each spelling."""

    gtin: str
    item_urn: str
    lot_urn: str
    path: str

    def item(self, serial: str) -> Key:
        """Return one piece."""
        return Key(self.item_urn + serial, f"{self.path}/21/{serial}")

    def lot(self, number: str) -> Key:
        """Return a batch."""
        return Key(self.lot_urn + number, f"{self.path}/10/{number}")


@dataclass(frozen=True, slots=True)
class Partner:
    """An organisation; `index` counts from 0.

    `name` is its permanent name on a ledger, `prefix` its GS1 company prefix, `glns[0]` the GLN of the organisation and
    the others those of its sites. `points` are its read points; `where` says each as members of an event, with the
    location unless goods only pass through, and `remark` is what it says in all of its events.
    """

    index: int
    role: str
    name: str
    display_name: str
    prefix: str
    glns: tuple[str, ...]
    party: Key
    writes_urns: bool
    resolver: str
    zulu: bool
    offset: int
    offset_text: str
    points: tuple[Key, ...]
    where: tuple[str, ...]
    remark: str
    products: tuple[Product, ...]

    def write(self, key: Key) -> str:
        """Spell a key as this partner does."""
        return key[0] if self.writes_urns else self.resolver + key[1]

    def write_all(self, keys: Sequence[Key]) -> str:
        """Spell keys as the inside of a JSON array."""
        if self.writes_urns:
            return '","'.join([key[0] for key in keys])
        before = self.resolver
        return '","'.join([before + key[1] for key in keys])

    def unit(self, extension: int, number: int) -> Key:
        """Return a logistic unit (SSCC)."""
        width = _SSCC_SERIAL - len(self.prefix)
        serial = f"{number % 10**width:0{width}d}"
        body = f"{extension}{self.prefix}{serial}"
        return Key(f"urn:epc:id:sscc:{self.prefix}.{extension}{serial}", f"/00/{body}{check_digit(body)}")

    def asset(self, kind: int, number: str) -> Key:
        """Return a returnable asset (GRAI)."""
        reference = f"{kind:0{_GLN_REFERENCE - len(self.prefix)}d}"
        body = self.prefix + reference
        urn = f"urn:epc:id:grai:{self.prefix}.{reference}.{number}"
        return Key(urn, f"/8003/0{body}{check_digit(body)}{number}")

    def document(self, number: str) -> str:
        """Return the name of one of its records (GDTI)."""
        return f"urn:epc:id:gdti:{self.prefix}.{_RECORD:0{_GLN_REFERENCE - len(self.prefix)}d}.{number}"

    def device(self, number: int) -> Key:
        """Return a sensor (GIAI)."""
        return Key(f"urn:epc:id:giai:{self.prefix}.S{number}", f"/8004/{self.prefix}S{number}")


@cache
def partners() -> tuple[Partner, ...]:
    """Return the organisations by index."""
    roles = [(role, number) for role, count in ROLES for number in range(count)]
    return tuple(_partner(index, role, number) for index, (role, number) in enumerate(roles))


@cache
def of_role(role: str) -> tuple[Partner, ...]:
    """Return the organisations of one role."""
    return tuple(partner for partner in partners() if partner.role == role)


def _partner(index: int, role: str, number: int) -> Partner:
    length = 6 + index % 4
    prefix = f"952{index % 4 + 1}{index:0{length - 4}d}"
    name = f"{role}{number}.example"
    writes_urns = index % 2 == 0
    resolver = f"https://id.{name}" if index % 6 == 1 else RESOLVER
    offset = _OFFSETS[index % len(_OFFSETS)]
    glns, points, where = [], [], []
    for site in range(SITES + 1):
        reference = f"{site:0{_GLN_REFERENCE - length}d}"
        gln = f"{prefix}{reference}{check_digit(prefix + reference)}"
        glns.append(gln)
        urn, path = f"urn:epc:id:sgln:{prefix}.{reference}.", f"/414/{gln}"
        location = f"{urn}0" if writes_urns else resolver + path
        for gate in range(GATES if site else 0):
            key = Key(f"{urn}gate{gate}", f"{path}/254/gate{gate}")
            passing = role == "carrier" or gate % 3 == 0
            stays = "" if passing else f',"bizLocation":{{"id":"{location}"}}'
            points.append(key)
            where.append(f'"readPoint":{{"id":"{key.urn if writes_urns else resolver + key.path}"}}{stays}')
    remark = json.dumps(_REMARKS[index % len(_REMARKS)], separators=(",", ":"))
    return Partner(
        index=index,
        role=role,
        name=name,
        display_name=f"{role.capitalize()} {number}",
        prefix=prefix,
        glns=tuple(glns),
        party=Key(f"urn:epc:id:pgln:{prefix}.{glns[0][length:12]}", f"/417/{glns[0]}"),
        writes_urns=writes_urns,
        resolver=resolver,
        zulu=index % 3 != 0,
        offset=offset,
        offset_text=f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}",
        points=tuple(points),
        where=tuple(where),
        remark=f",{remark[1:-1]}".replace("{}", name),
        products=tuple(_product(prefix, reference) for reference in range(1, 5)),
    )


def _product(prefix: str, reference: int) -> Product:
    number = f"{reference:0{_GTIN_REFERENCE - len(prefix)}d}"
    body = f"0{prefix}{number}"
    gtin = body + check_digit(body)
    return Product(
        gtin, f"urn:epc:id:sgtin:{prefix}.0{number}.", f"urn:epc:class:lgtin:{prefix}.0{number}.", f"/01/{gtin}"
    )
