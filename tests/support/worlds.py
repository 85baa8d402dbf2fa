"""Small random worlds: few things and few instants, so that ties, cycles, reuse and retractions are common."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.support.happenings import (
    OTHER_PALLET,
    PALLET,
    TOTE,
    Happening,
    attach,
    commission,
    end,
    lot,
    observe,
    pack,
    put,
    take,
    transform,
)

THINGS = [pack("1"), pack("2"), f"{pack('').removesuffix('/21/')}/10/L1/21/3", TOTE, PALLET, OTHER_PALLET]
CONTAINERS = [PALLET, OTHER_PALLET, TOTE]
COUNTED = [lot("L1"), lot("L2"), pack("").removesuffix("/21/")]
JOINED = [None, "https://maker.example/batch/1", "urn:uuid:00000000-0000-4000-8000-000000000002"]

_at = st.integers(0, 6)
_some = st.lists(st.sampled_from(THINGS), max_size=2, unique=True)
_counted = st.lists(st.sampled_from(COUNTED), max_size=1)
_container = st.sampled_from(CONTAINERS)
_number = st.sampled_from([None, "L1", "L2"])


@st.composite
def happening(draw: DrawFn) -> Happening:
    at, some = draw(_at), draw(_some)
    match draw(st.sampled_from(["made", "seen", "ended", "put", "put", "take", "attach", "transform", "transform"])):
        case "made":
            made = commission(at, *some, number=draw(_number))
        case "seen":
            made = observe(at, *some)
        case "ended":
            made = end(at, *some)
        case "put":
            made = put(at, draw(_container), *some, counted=draw(_counted))
        case "take":
            made = take(at, draw(_container), *some, counted=draw(_counted))
        case "attach":
            made = attach(at, draw(_container), *some, action=draw(st.sampled_from(["ADD", "DELETE"])))
        case _:
            made = transform(
                at,
                some,
                draw(_some),
                joined=draw(st.sampled_from(JOINED)),
                counted_inputs=draw(_counted),
                counted_outputs=draw(_counted),
                number=draw(_number),
            )
    return made


@st.composite
def worlds(draw: DrawFn, max_size: int = 10) -> list[Happening]:
    """Draw events in the order of their arrival; some are retracted, by their maker or in vain by another."""
    made = [
        replace(event, event_id=f"urn:uuid:{n}")
        for n, event in enumerate(draw(st.lists(happening(), min_size=1, max_size=max_size)))
    ]
    taken_back = draw(st.lists(st.sampled_from(made), max_size=2, unique_by=lambda event: event.event_id))
    makers = [draw(st.sampled_from(["maker.example", "maker.example", "rival.example"])) for _ in taken_back]
    declared = [event.retracted(by=maker) for event, maker in zip(taken_back, makers, strict=True)]
    repeated = draw(st.lists(st.sampled_from(made), max_size=1))
    again = [replace(event, event_id=f"{event.event_id}-again") for event in repeated]
    return draw(st.permutations([*made, *declared, *again]))
