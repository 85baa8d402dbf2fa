"""Element strings: Application Identifiers and values one behind the other, in brackets or with FNC1.

FNC1 is written `^`, or the group separator (GS, 0x1D) as readers send it; neither is in any character set of GS1. It
begins the string and ends a value whose length is not predefined (General Specifications §7.8).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from traceability.gs1.application_identifiers import APPLICATION_IDENTIFIERS, check, code_at, longest
from traceability.gs1.errors import IdentifierError

FNC1: Final = "^"
GROUP_SEPARATOR: Final = "\x1d"

_BRACKETED: Final = re.compile(r"\(([0-9]*)\)").match
_VALUE_END: Final = re.compile(r"(?<!\\)\(").search
_HINT: Final = "It should look like ^010952123400001310L1^211001."


def read_element_string(text: str) -> dict[str, str]:
    """Read `^010952123400001310L1^211001`; return values by Application Identifier, in their order.

    Raises `IdentifierError`: `gs1.element_string`, `gs1.unknown_ai`, `gs1.repeated`, or the rule that a value breaks.
    """
    message = text.replace(GROUP_SEPARATOR, FNC1)
    if not message.startswith(FNC1):
        raise IdentifierError(f"{text!r} does not begin with FNC1.", code="gs1.element_string", hint=_HINT)
    return read_message(message, 1, FNC1)


def read_message(message: str, start: int, separator: str) -> dict[str, str]:
    """Read a message from `start`, where its first Application Identifier stands; raises as `read_element_string`."""
    if start == len(message):
        raise IdentifierError("There is no element.", code="gs1.element_string", hint=_HINT, at=start)
    ais: dict[str, str] = {}
    while start < len(message):
        code = code_at(message, start)
        if code is None:
            raise _unknown(message[start : start + 4], start)
        begin = start + len(code)
        end = begin + longest(code)
        if APPLICATION_IDENTIFIERS[code].fnc1:
            end = message.find(separator, begin)
            if end < 0:
                end = len(message)
        add(ais, code, message[begin:end], begin)
        # A separator behind a value of predefined length is not needed and does no harm (§7.8.6).
        start = end + message.startswith(separator, end)
    return ais


def read_bracketed(text: str) -> dict[str, str]:
    r"""Read `(01)09521234000013(10)L1`, with spaces between or without; `\\(` is a bracket in a value.

    Raises as `read_element_string`.
    """
    ais: dict[str, str] = {}
    at = 0
    while at < len(text):
        opening = _BRACKETED(text, at)
        if opening is None:
            raise IdentifierError(
                "An Application Identifier of two to four digits belongs into the brackets.",
                code="gs1.element_string",
                hint=r"It should look like (01)09521234000013(10)L1; a bracket inside a value is written \(.",
                at=at,
            )
        code, begin = opening[1], opening.end()
        if code not in APPLICATION_IDENTIFIERS:
            raise _unknown(code, at + 1)
        following = _VALUE_END(text, begin)
        at = len(text) if following is None else following.start()
        value = text[begin:at].strip(" ")
        add(ais, code, value.replace(r"\(", "("), begin)
    return ais


def add(ais: dict[str, str], code: str, value: str, at: int) -> None:
    """Add a checked value that stands at `at`; the same again is one, another is refused (§4.14.1)."""
    try:
        check(code, value)
    except IdentifierError as error:
        raise error.moved(at) from None
    if ais.setdefault(code, value) != value:
        raise IdentifierError(f"({code}) is there twice, with two values.", code="gs1.repeated", at=at)


def element_string(ais: Mapping[str, str], separator: str = FNC1) -> str:
    """Return the element string of checked values, FNC1 before it and where it is needed."""
    written = [separator]
    for code, value in ais.items():
        written += (code, value, separator if APPLICATION_IDENTIFIERS[code].fnc1 else "")
    return "".join(written).removesuffix(separator)


def bracketed(ais: Mapping[str, str]) -> str:
    """Return the text that people read under a bar code, a bracket inside a value escaped."""
    return "".join([f"({code}){value.replace('(', chr(92) + '(')}" for code, value in ais.items()])


def _unknown(code: str, at: int) -> IdentifierError:
    return IdentifierError(f"There is no Application Identifier that begins {code!r}.", code="gs1.unknown_ai", at=at)
