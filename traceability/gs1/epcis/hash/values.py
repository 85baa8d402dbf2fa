"""How the CBV event hash writes values and the names of extensions (CBV 2.0 §8.9)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Final

from traceability.gs1.application_identifiers import AI_OF_WORD
from traceability.gs1.epcis.context import STANDARD_PREFIXES
from traceability.gs1.epcis.strict_json import JSON, MAX_EXPONENT, Number
from traceability.gs1.epcis.vocabulary import (
    ALERT,
    BIZ_STEP,
    COMPONENT,
    DISPOSITION,
    ERROR_REASON,
    MEASUREMENT,
    SOURCE_TYPE,
    TRANSACTION_TYPE,
    Vocabulary,
)
from traceability.gs1.identifiers import IdentifierError, TailReader, parse_afresh, parse_identifier, reader_after

_CBV: Final = STANDARD_PREFIXES["cbv"]
_GS1: Final = STANDARD_PREFIXES["gs1"]
_IDENTIFIERS: Final = ("urn:epc:", "http")
_CURIES: Final = ("gs1:", "cbv:", "epcis:")
_URN: Final = "urn:epcglobal:cbv:"
_VOCABULARIES: Final = {
    "bizstep": "BizStep",
    "disp": "Disp",
    "btt": "BTT",
    "sdt": "SDT",
    "er": "ER",
    "comp": "Comp",
}
_NUMBER: Final = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?", re.ASCII).fullmatch
_CACHED: Final = 4096
_CACHED_STEMS: Final = 32_768
_CACHED_LENGTH: Final = 256
_ANY_TAIL: Final = "Z9" * 10
"""The longest tail that one stands for: where it is allowed, so are all that are shorter."""
_SHORTER: Final = (("urn:epc:id:grai:", 16), ("urn:epc:id:gdti:", 17))
"""Where no tail is as long."""
_ANY_EXTENSION: Final = f"/254/{_ANY_TAIL}"
_NO_EXTENSION: Final = "0"
"""What an SGLN in an EPC URI has for an extension when it has none (TDS §6.3.3)."""
# A link has a key of digits, or its short name, as a part of its path; what has neither is nobody's but its owner's.
_MAY_BE_LINK: Final = re.compile(rf"[?#]|/(?:\d+|{'|'.join(AI_OF_WORD)})/").search
_MASTER_DATA: Final = "urn:epcglobal:cbv:mda"
_WITHOUT_SEPARATOR: Final = (
    "http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader",
    "http://epcis.gs1us.org/hc/ns",
)


def _spellings(vocabulary: Vocabulary, namespace: str) -> Mapping[str, str]:
    """Return every spelling of the words of a vocabulary and its web URI."""
    # A term under GS1's own web address is spelled in full already, with an infix that it may have (`MT-`).
    return {
        spelling: spelling if spelling.startswith(_GS1) else namespace + word
        for spelling, word in vocabulary.spellings.items()
    }


BIZ_STEPS: Final = _spellings(BIZ_STEP, f"{_CBV}BizStep-")
DISPOSITIONS: Final = _spellings(DISPOSITION, f"{_CBV}Disp-")
TRANSACTION_TYPES: Final = _spellings(TRANSACTION_TYPE, f"{_CBV}BTT-")
PARTY_TYPES: Final = _spellings(SOURCE_TYPE, f"{_CBV}SDT-")
COMPONENTS: Final = _spellings(COMPONENT, f"{_CBV}Comp-")
MEASUREMENTS: Final = _spellings(MEASUREMENT, _GS1)
ERROR_REASONS: Final = _spellings(ERROR_REASON, f"{_CBV}ER-")
ALERTS: Final = _spellings(ALERT, _GS1)


def text(value: str) -> str:
    """Return a text without the white space around it, an identifier or a word of GS1 in its one form.

    An identifier is the Digital Link on `https://id.gs1.org` down to the finest level that it names. One that breaks
    GS1's rules stays as it is.
    """
    if ":" not in value:
        return value.strip()
    # Serial and lot numbers are new in nearly every event: what is remembered is what stands before them.
    at = value.rfind("/") + 1 or value.rfind(".") + 1 or value.rfind(":") + 1
    if at <= _CACHED_LENGTH:
        longest, before = _STEMS[value[:at]]
        tail = value[at:]
        if len(tail) <= longest and (tail.isalnum() or tail.replace("-", "").isalnum()) and tail.isascii():
            if isinstance(before, str):
                if tail != _NO_EXTENSION:
                    return before + tail
            elif (one := before(tail)) is not None:
                return one.subject
    return _text_of_any(value.strip())


class _Stems(dict[str, tuple[int, str | TailReader]]):
    """What texts that begin in one way, up to and with a separator, become before tails of letters, digits and hyphens.

    Ahead of it stands how long such tails are at most: none is short enough where each has to be looked at as a whole.
    No rule looks at the letters of a serial or lot number, or of a location's extension, but for their count, so one
    tail stands for all; of others a reader tells.
    """

    def __missing__(self, stem: str) -> tuple[int, str | TailReader]:
        if len(self) >= _CACHED_STEMS:
            self.clear()
        longest = next((most for start, most in _SHORTER if stem.startswith(start)), len(_ANY_TAIL))
        before = _before(stem, _ANY_TAIL[:longest])
        found = self[stem] = (0, "") if before is None else (longest, before)
        return found


_STEMS: Final = _Stems()


def _before(stem: str, any_tail: str) -> str | TailReader | None:
    if stem.startswith("http") and not _MAY_BE_LINK(stem):
        return stem
    if stem.startswith(_URN):
        return None if stem[len(_URN) :].partition(":")[0] in _VOCABULARIES else stem
    if not stem.startswith(_IDENTIFIERS) or "?" in stem or "#" in stem:
        return None
    with suppress(IdentifierError):
        one = parse_afresh(stem + any_tail)
        if any_tail in (one.serial, one.lot) or one.subject.endswith(_ANY_EXTENSION):
            return one.subject.removesuffix(any_tail)
    return reader_after(stem)


def _text_of_any(value: str) -> str:
    if value.startswith(_IDENTIFIERS):
        try:
            return parse_identifier(value).subject
        except IdentifierError:
            return value
    if value.startswith(_CURIES):
        prefix, _, local = value.partition(":")
        return STANDARD_PREFIXES[prefix] + local
    if value.startswith(_URN):
        kind, colon, word = value[len(_URN) :].partition(":")
        if colon and kind in _VOCABULARIES:
            return f"{_CBV}{_VOCABULARIES[kind]}-{word}"
    return value


def scalar(value: JSON) -> str:
    """Return what a string, number, boolean or null of an extension is; a string is never taken for a number."""
    if type(value) is str:
        return text(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return number(value)


def number(value: str | int) -> str:
    """Return a number in decimal digits without zeros that say nothing; a text that is no number stays a text."""
    if type(value) is int:
        return str(value)
    given = str(value).strip()
    written = _digits(given) if len(given) <= _CACHED_LENGTH else _digits.__wrapped__(given)
    if written is None:
        return given if isinstance(value, Number) else text(given)
    return written


@lru_cache(maxsize=_CACHED)
def _digits(given: str) -> str | None:
    match = _NUMBER(given)
    if match is None or not (match[2] or match[3]) or abs(int(match[4] or 0)) > MAX_EXPONENT:
        return None
    whole, fraction, exponent = match[2], match[3] or "", int(match[4] or 0)
    if exponent:
        digits, point = whole + fraction, len(whole) + exponent
        digits, point = ("0" * -point + digits, 0) if point < 0 else (digits.ljust(point, "0"), point)
        whole, fraction = digits[:point], digits[point:]
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    written = f"{whole}.{fraction}" if fraction else whole
    return f"-{written}" if match[1] == "-" and written != "0" else written


@lru_cache(maxsize=_CACHED)
def braced(iri: str) -> str:
    """Return the name of an extension with its namespace in braces; one without a namespace as it is.

    The namespace is told by the IRI alone, so that it does not depend on how a document cut it into prefix and name: it
    ends behind the last `/` or `#`, else behind the last colon. That of CBV's master data ends without, as in XML.
    """
    if iri.startswith(f"{_MASTER_DATA}:"):
        return f"{{{_MASTER_DATA}}}{iri[len(_MASTER_DATA) + 1 :]}"
    for namespace in _WITHOUT_SEPARATOR:
        if iri.startswith(namespace):
            return f"{{{namespace}}}{iri[len(namespace) :]}"
    end = max(iri.rfind("/"), iri.rfind("#")) + 1 or iri.rfind(":") + 1
    return f"{{{iri[:end]}}}{iri[end:]}" if end else iri
