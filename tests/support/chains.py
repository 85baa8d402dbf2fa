"""Supply chains by the thousand, the same ones every time: a lot, twenty packs of it, two cases, a pallet, a journey.

Chain n belongs to two of fifty organisations: one makes and ships, the other receives and sells.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from traceability.gs1.epcis import read_document
from traceability.ledger.event import LedgerEvent, utc_text

ORGANISATIONS: Final = 50
EVENTS_OF_CHAIN: Final = 20
PACKS: Final = 20
_ID: Final = "https://id.gs1.org"
_START: Final = 1_735_689_600_000_000
_HOUR: Final = 3_600_000_000
_CONTEXT: Final = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"


def name_of(organisation: int) -> str:
    return f"party{organisation:02d}.example"


def gln_of(organisation: int) -> str:
    return checked(f"9529{organisation:08d}")


def maker_of(chain: int) -> int:
    return chain % ORGANISATIONS


def receiver_of(chain: int) -> int:
    return (chain * 7 + 3) % ORGANISATIONS


def pack_of(chain: int, number: int) -> str:
    gtin = checked(f"0952900{maker_of(chain):06d}")
    return f"{_ID}/01/{gtin}/10/L{chain}/21/{chain}-{number}"


def pallet_of(chain: int) -> str:
    return _sscc(chain, 0)


def checked(digits: str) -> str:
    """Append the GS1 check digit."""
    total = sum(int(digit) * (3 if i % 2 == 0 else 1) for i, digit in enumerate(reversed(digits)))
    return f"{digits}{-total % 10}"


def events(chains: int) -> Iterator[LedgerEvent]:
    """Every event of so many chains, as `feed import` would cut it."""
    for chain in range(chains):
        made, received = _made(chain), _received(chain)
        for organisation, told in ((maker_of(chain), made), (receiver_of(chain), received)):
            document = read_document(_document(told), captured_by=name_of(organisation))
            assert document.problems == []
            for captured in document.events:
                yield captured.event


def _made(chain: int) -> list[dict[str, Any]]:
    maker, receiver, packs = maker_of(chain), receiver_of(chain), [pack_of(chain, n) for n in range(PACKS)]
    raw = f"{_ID}/01/{checked(f'9952900{maker:06d}')}/10/R{chain}"
    cases, pallet, here = [_sscc(chain, 1), _sscc(chain, 2)], pallet_of(chain), _place(maker)
    journey = [
        _event(
            chain,
            hour,
            "ObjectEvent",
            action="OBSERVE",
            epcList=[pallet],
            bizStep="sensor_reporting",
            disposition="in_transit",
            readPoint=here,
            sensorElementList=[_temperature(chain, hour - ago, 2 + (chain + hour + ago) % 7 / 2) for ago in (2, 1, 0)],
        )
        for hour in range(10, 42, 4)
    ]
    return [
        _event(
            chain,
            0,
            "ObjectEvent",
            action="ADD",
            quantityList=[{"epcClass": raw, "quantity": 100, "uom": "KGM"}],
            bizStep="creating_class_instance",
            disposition="active",
            readPoint=here,
            ilmd={"cbvmda:descriptionShort": "Raw milk", "cbvmda:lotNumber": f"R{chain}"},
        ),
        _event(
            chain,
            2,
            "TransformationEvent",
            inputQuantityList=[{"epcClass": raw, "quantity": 10, "uom": "KGM"}],
            outputEPCList=packs,
            bizStep="commissioning",
            disposition="active",
            readPoint=here,
            ilmd={"cbvmda:descriptionShort": "Cheese, 250 g", "cbvmda:lotNumber": f"L{chain}"},
        ),
        *(
            _event(
                chain,
                3 + i,
                "AggregationEvent",
                action="ADD",
                parentID=case,
                childEPCs=packs[i * PACKS // 2 : (i + 1) * PACKS // 2],
                bizStep="packing",
                readPoint=here,
            )
            for i, case in enumerate(cases)
        ),
        _event(
            chain,
            5,
            "AggregationEvent",
            action="ADD",
            parentID=pallet,
            childEPCs=cases,
            bizStep="packing",
            readPoint=here,
        ),
        _event(
            chain,
            6,
            "ObjectEvent",
            action="OBSERVE",
            epcList=[pallet],
            bizStep="shipping",
            disposition="in_transit",
            readPoint=here,
            sourceList=[{"type": "owning_party", "source": _party(maker)}],
            destinationList=[{"type": "owning_party", "destination": _party(receiver)}],
        ),
        *journey,
    ]


def _received(chain: int) -> list[dict[str, Any]]:
    maker, receiver, packs = maker_of(chain), receiver_of(chain), [pack_of(chain, n) for n in range(PACKS)]
    cases, pallet, there = [_sscc(chain, 1), _sscc(chain, 2)], pallet_of(chain), _place(receiver)
    return [
        _event(
            chain,
            44,
            "ObjectEvent",
            action="OBSERVE",
            epcList=[pallet],
            bizStep="receiving",
            disposition="in_progress",
            readPoint=there,
            sourceList=[{"type": "owning_party", "source": _party(maker)}],
            destinationList=[{"type": "owning_party", "destination": _party(receiver)}],
        ),
        _event(
            chain,
            45,
            "AggregationEvent",
            action="DELETE",
            parentID=pallet,
            childEPCs=cases,
            bizStep="unpacking",
            readPoint=there,
        ),
        *(
            _event(
                chain,
                46 + i,
                "AggregationEvent",
                action="DELETE",
                parentID=case,
                childEPCs=[],
                bizStep="unpacking",
                readPoint=there,
            )
            for i, case in enumerate(cases)
        ),
        _event(
            chain,
            48,
            "ObjectEvent",
            action="OBSERVE",
            epcList=packs,
            bizStep="stocking",
            disposition="sellable_accessible",
            readPoint=there,
        ),
        _event(
            chain,
            72,
            "ObjectEvent",
            action="OBSERVE",
            epcList=packs[:5],
            bizStep="retail_selling",
            disposition="retail_sold",
            readPoint=there,
        ),
    ]


def _document(told: list[dict[str, Any]]) -> bytes:
    return orjson.dumps(
        {
            "@context": [_CONTEXT],
            "type": "EPCISDocument",
            "schemaVersion": "2.0",
            "creationDate": told[-1]["eventTime"],
            "epcisBody": {"eventList": told},
        }
    )


def _event(chain: int, hour: int, kind: str, **members: Any) -> dict[str, Any]:
    return {"type": kind, "eventTime": _time(chain, hour), "eventTimeZoneOffset": "+01:00", **members}


def _time(chain: int, hour: int) -> str:
    return utc_text(_START + (chain % 5_000 + hour) * _HOUR)


def _temperature(chain: int, hour: int, value: float) -> dict[str, Any]:
    return {
        "sensorMetadata": {"time": _time(chain, hour)},
        "sensorReport": [{"type": "Temperature", "value": value, "uom": "CEL"}],
    }


def _sscc(chain: int, unit: int) -> str:
    return f"{_ID}/00/{checked(f'09529{chain:09d}{unit:03d}')}"


def _place(organisation: int) -> dict[str, Any]:
    return {"id": f"{_ID}/414/{gln_of(organisation)}", "cbvmda:name": f"Dairy {organisation}"}


def _party(organisation: int) -> str:
    return f"{_ID}/417/{gln_of(organisation)}"
