"""JSON as RFC 8259 and I-JSON (RFC 7493 §2) allow it, with every number kept as it was written.

The scanner is the standard library's; what it lets through and we do not is caught by its hooks: repeated member
names, NaN and the infinities, lone surrogates, NUL.
"""

from __future__ import annotations

import re
from json import JSONDecodeError, JSONDecoder
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias

import msgspec
import orjson

from traceability.errors import InvalidInputError

JSON: TypeAlias = Any
"""A decoded value: dict, list, str, Number, bool or None; from `plain_value` also int."""

CONTAINERS: Final = (dict, list)

PLAIN_BYTES: Final = 16 * 1024 * 1024
"""Of a longer text no copies are made to find out whether it is plain."""
MAX_DEPTH: Final = 64
"""Objects and arrays inside one another."""
MAX_NUMBER_LENGTH: Final = 64
MAX_EXPONENT: Final = 200
"""Beyond every unit of the real world, and with 64 digits within the range of a double, so every reader copes."""

_WHITE: Final = b" \t\n\r"
_SPACE: Final = re.compile(r"[ \t\n\r]*").match
_EXPONENT: Final = re.compile(r"[eE]([+-]?\d+)$")
_DEEP: Final = b"\n" + b"  " * (MAX_DEPTH - 1)
_CONTINUATION: Final = bytes(range(0x80, 0xC0))


class Place(NamedTuple):
    """Where a character stands in a document: line and column, from 1."""

    line: int
    column: int

    def after(self, passed: bytes) -> Place:
        """Return the place behind UTF-8 bytes that stand here, even if they end inside a character."""
        breaks = passed.count(b"\n")
        last = passed[passed.rfind(b"\n") + 1 :] if breaks else passed
        characters = len(last) if last.isascii() else len(last.translate(None, _CONTINUATION))
        return Place(self.line + breaks, characters + (1 if breaks else self.column))


START: Final = Place(1, 1)


class JsonTextError(InvalidInputError):
    """A text that is not strict JSON.

    `code` is `json.syntax`, `json.encoding`, `json.depth`, `json.repeated_member`, `json.number`, `json.surrogate` or
    `json.nul`.
    """

    code = "json.syntax"


class Number(str):
    """A JSON number in the characters it came in: `4.10` stays `4.10`, and 2⁵³+1 stays itself."""

    __slots__ = ()


def text_of(data: bytes, offset: int = 0) -> str:
    """Return the text of UTF-8 bytes at `offset` of a document; raises `JsonTextError` (`json.encoding`)."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise JsonTextError(
            f"The document is not UTF-8: byte {offset + error.start} cannot be read.",
            code="json.encoding",
            hint="JSON is exchanged as UTF-8 (RFC 8259 §8.1).",
        ) from error


def skip_space(text: str, at: int) -> int:
    """Return the place of the next character that is not white space."""
    match = _SPACE(text, at)
    return at if match is None else match.end()


def string_at(text: str, at: int) -> tuple[str, int]:
    """Return the string that begins at `at`, and where it ends."""
    if text[at : at + 1] != '"':
        raise syntax_error(text, at, "a member name in quotes")
    try:
        return _decode(text, at)
    except JSONDecodeError as error:
        raise syntax_error(text, error.pos, "the end of the string") from error


def expect(text: str, at: int, character: str) -> int:
    """Step over `character`; raise `JsonTextError` when something else stands there."""
    if text[at : at + 1] != character:
        raise syntax_error(text, at, f"'{character}'")
    return at + 1


def value_at(text: str, at: int, place: Place = START) -> tuple[JSON, int]:
    """Return the value that begins at `at`, and where it ends; raises `JsonTextError`.

    `place` is where the text begins in its document.
    """
    try:
        value, end = _decode(text, at)
    except JSONDecodeError as error:
        raise syntax_error(text, error.pos, "a value", place) from error
    except RecursionError:
        raise _too_deep() from None
    # Every level begins with a bracket, so a value with few of them needs no second look.
    if text.count("{", at, end) + text.count("[", at, end) > MAX_DEPTH:
        _check_depth(value)
    # Escapes are the only way for what UTF-8 itself cannot carry, and hardly any document has one.
    escape = text.find("\\u", at, end)
    if escape >= 0:
        _check_characters(value, text, escape, end)
    return value, end


def read_value(data: bytes, offset: int = 0, place: Place = START) -> JSON:
    """Return the value that UTF-8 bytes are, white space around it apart; raises `JsonTextError`.

    They begin at `offset` of their document, which is its `place`.
    """
    text = text_of(data, offset)
    value, end = value_at(text, skip_space(text, 0), place)
    end = skip_space(text, end)
    if end != len(text):
        raise syntax_error(text, end, "',' or the end of an object or array", place)
    return value


def plain_value(data: bytes) -> JSON:
    """Return the value that `data` holds if it is plainly written, else None: `read_value` knows the rest.

    A faster decoder reads it, and what it read is written again. If both texts are the same but for spaces, they have
    the same tokens, so no member was repeated and dropped and no number is spelled otherwise than in `data`.
    """
    if len(data) > PLAIN_BYTES or (b"\\" in data and b"\\u" in data):
        return None
    try:
        value = _decode_plain(data)
        # To take brackets out takes a fifth as long as to count them.
        flat = data.replace(b"{", b"").replace(b"[", b"")
        if len(data) - len(flat) > MAX_DEPTH and _may_be_deep(value):
            _check_depth(value)
        written = dumps(value)
    except (msgspec.MsgspecError, JsonTextError, UnicodeDecodeError, RecursionError, TypeError):
        return None  # TypeError: an integer of more than 64 bits
    if written in (data, data.replace(b"\n", b"")) or written.translate(None, _WHITE) == data.translate(None, _WHITE):
        return value
    return None


def value_in(data: bytes, offset: int = 0, place: Place = START) -> JSON:
    """Return what `read_value` does, the quick way if that can: integers are int then."""
    value = plain_value(data)
    return read_value(data, offset, place) if value is None else value


def is_number(value: JSON) -> bool:
    """Tell whether a decoded value is a number."""
    return isinstance(value, Number) or type(value) is int


def dumps(value: JSON) -> bytes:
    """Write a value without white space, members in order, numbers as received, nothing escaped that may stand."""
    return orjson.dumps(value, default=_number, option=orjson.OPT_PASSTHROUGH_SUBCLASS)


def loads(data: bytes) -> JSON:
    """Read back what `dumps` wrote, numbers as `Number`."""
    return _decode(data.decode())[0]


def plain_loads(data: bytes) -> JSON:
    """Do the same with integers as int, in a fraction of the time."""
    return _decode_plain(data)


def _object(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        name = next(name for name in members if names.count(name) > 1)
        raise JsonTextError(f"The member {name[:80]!r} appears twice in one object.", code="json.repeated_member")
    return members


def number_of(text: str) -> Number:
    """Return the number that JSON writes as `text`; raises `JsonTextError` (`json.number`) beyond the limits."""
    if len(text) > MAX_NUMBER_LENGTH:
        raise JsonTextError(f"A number has at most {MAX_NUMBER_LENGTH} characters.", code="json.number")
    exponent = _EXPONENT.search(text) if "e" in text or "E" in text else None
    if exponent is not None and abs(int(exponent[1])) > MAX_EXPONENT:
        raise JsonTextError(f"The exponent of {text} is beyond {MAX_EXPONENT}.", code="json.number")
    return Number(text)


def _constant(name: str) -> NoReturn:
    raise JsonTextError(f"{name} is not a JSON number.", code="json.number")


def _number(value: object) -> orjson.Fragment:
    if isinstance(value, Number):
        return orjson.Fragment(value.encode())
    raise TypeError(type(value))


def _check_characters(value: JSON, text: str, at: int, end: int) -> None:
    try:
        dumps(value)
    except TypeError as error:
        raise JsonTextError(
            "An escape stands for half of a surrogate pair, which is no character.", code="json.surrogate"
        ) from error
    if text.find("\\u0000", at, end) >= 0 and _holds_nul(value):
        raise JsonTextError("A string holds the character NUL.", code="json.nul")


def _may_be_deep(value: JSON) -> bool:
    # Indented, what is inside the innermost container allowed but one stands behind this much; no string holds a raw
    # line break. To write so takes less than half as long as to walk down the levels.
    return _DEEP in orjson.dumps(value, default=_number, option=orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_INDENT_2)


def _check_depth(value: JSON) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, CONTAINERS)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> JsonTextError:
    return JsonTextError(f"Objects and arrays are nested more than {MAX_DEPTH} deep.", code="json.depth")


def _holds_nul(value: JSON) -> bool:
    pending = [value]
    while pending:
        found = pending.pop()
        if isinstance(found, str):
            if "\x00" in found:
                return True
        elif isinstance(found, dict):
            pending += (*found, *found.values())
        elif isinstance(found, list):
            pending += found
    return False


def syntax_error(text: str, at: int, wanted: str, place: Place = START) -> JsonTextError:
    """Return the error of a text that begins at `place` and has something else than what is wanted at `at`."""
    if text.lstrip().startswith("<"):
        return JsonTextError("Not JSON but XML stands here.")
    line, column = place.after(text[:at].encode(errors="surrogatepass"))
    found = "the document ends" if at >= len(text) else f"{text[at]!r} stands"
    return JsonTextError(f"Not JSON: at line {line}, column {column} {found} where {wanted} should be.")


_decode: Final = JSONDecoder(
    object_pairs_hook=_object, parse_int=number_of, parse_float=number_of, parse_constant=_constant
).raw_decode
_decode_plain: Final = msgspec.json.Decoder(float_hook=number_of).decode
