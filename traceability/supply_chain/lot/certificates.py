"""The certifications that events of a lot carry (EPCIS 2.0 §7.4.1, `certificationInfo`), and what they are worth.

A certification is a URI, or an object in the words of GS1's Web Vocabulary (gs1:CertificationDetails). Its kind is its
type, its standard, or the URI. A later one with the same identification stands in the place of an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

from traceability.gs1.epcis.strict_json import JSON
from traceability.supply_chain.days import read_day
from traceability.supply_chain.lot.terms import Lack, Obstacle, word_of
from traceability.supply_chain.seen import SeenEvent

ADVERSE: Final = frozenset(
    {
        "cancelled", "detected", "fail", "failed", "inactive", "invalid", "non_conformant", "not_conformant",
        "positive", "rejected", "revoked", "suspended", "terminated", "withdrawn",
    }
)  # fmt: skip
"""What a status or value says that speaks against the goods; of a test, that it found what it looked for."""


_DEEPEST: Final = 4  # a set of texts with languages, and no more


class Certificate(NamedTuple):
    """A certification as an event tells it; `first` and `last` are days, None where it tells none."""

    kinds: tuple[str, ...]
    identification: str | None
    status: str | None
    value: str | None
    first: date | None
    last: date | None
    by: str
    position: int

    @property
    def is_adverse(self) -> bool:
        """Tell whether it speaks against the goods."""
        return any(_word(text) in ADVERSE for text in (self.status, self.value) if text is not None)

    def is_of(self, kind: str) -> bool:
        """Tell whether it is of a kind, by the whole word or the last segment of a URI, in any case."""
        return _word(kind) in map(_word, self.kinds) or kind in self.kinds

    def is_valid_on(self, day: date) -> bool:
        """Tell whether a day is none before its first or after its last, where it has them."""
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


def certificates_in(event: SeenEvent) -> Iterator[Certificate]:
    """Yield the certifications that an event carries, as far as it can be read."""
    told = event.view.certification if b'"certificationInfo"' in event.parts.how else None
    for one in told if isinstance(told, list) else [told]:
        if isinstance(one, str):
            yield Certificate((str(one),), str(one), None, None, None, None, event.captured_by, event.position)
        elif isinstance(one, dict):
            named = {word_of(name): text for name, value in one.items() if (text := _text(value)) is not None}
            yield Certificate(
                kinds=tuple(
                    named[name]
                    for name in ("certificationType", "certificationStandard", "certificationURI")
                    if name in named
                ),
                identification=named.get("certificationIdentification"),
                status=named.get("certificationStatus"),
                value=named.get("certificationValue"),
                first=read_day(named.get("certificationStartDate", "")),
                last=read_day(named.get("certificationEndDate", "")),
                by=event.captured_by,
                position=event.position,
            )


def in_force(certificates: Iterable[Certificate]) -> list[Certificate]:
    """Return those, given in the order of events, that no later one replaces."""
    found: dict[tuple[object, ...], Certificate] = {}
    for number, one in enumerate(certificates):
        key = (number,) if one.identification is None else (one.identification, *sorted(map(_word, one.kinds)))
        found.pop(key, None)
        found[key] = one
    return list(found.values())


def missing(certificates: Sequence[Certificate], required: Iterable[str], day: date) -> Iterator[Obstacle]:
    """Yield what keeps goods from being released on a day: each required kind that is not there, and what is adverse.

    A kind is there when one of it is valid and not adverse, and none of it is adverse.
    """
    for kind in dict.fromkeys(required):
        those = [one for one in certificates if one.is_of(kind)]
        adverse = next((one for one in reversed(those) if one.is_adverse), None)
        if not those:
            yield Obstacle(Lack.CERTIFICATE_MISSING, kind)
        elif adverse is not None:
            yield Obstacle(Lack.CERTIFICATE_ADVERSE, kind, adverse.position)
        elif not any(one.is_valid_on(day) for one in those):
            yield Obstacle(Lack.CERTIFICATE_NOT_VALID, kind, those[-1].position)


def _word(text: str) -> str:
    """Return a word of whatever spelling in one: `Non-Conformant` is `non_conformant`."""
    return word_of(text).casefold().replace("-", "_").replace(" ", "_")


def _text(value: JSON, deep: int = 0) -> str | None:
    """Return the text of a value: itself, in a language, or the name of what it refers to; of several the first."""
    if isinstance(value, str):
        return str(value) or None
    inside = (
        [value.get(name) for name in ("@value", "@id", "id")]
        if isinstance(value, Mapping)
        else value
        if isinstance(value, list)
        else []
    )
    return next((text for one in inside if deep < _DEEPEST and (text := _text(one, deep + 1)) is not None), None)
