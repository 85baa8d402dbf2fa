"""Texts and bytes that are almost right: what a parser meets when somebody tries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from hypothesis import strategies as st

_NUMBERS: Final = ("0", "00", "+1", "-1", "1e3", "٣", "18446744073709551616", "9" * 5_000, "0x10", " 1", "1_0", "1.0")
_LOOK_ALIKES: Final = {"-": "\u2010", "\u2014": "\u2013", ".": "\u2024", "/": "\u2215", "a": "\u0430", "0": "\u0660"}
_STRANGE: Final = (
    "\0",
    "\r",
    "\t",
    "\u2028",
    "\x85",
    "\ufeff",
    "\u200b",
    "\u00a0",
    "e\u0301",
    "\U0001f4a3",
    '"',
    "\\",
    "=",
)
_SURROGATES: Final = ("\ud800", "\udc80")
_JSON: Final = (
    b'"\\ud800"',
    b"\\ud800",
    b"\\u0000",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"-0",
    b"1e400",
    b"NaN",
    b"9" * 5_000,
    b"[" * 2_000,
    b'{"a":' * 2_000,
    b'"parts":[],',
    b'"v":1,',
)


def _lines(change: Callable[[list[Any], int, int], object]) -> Callable[[Any, int, int], Any]:
    def apply(value: Any, i: int, j: int) -> Any:
        newline = b"\n" if isinstance(value, bytes) else "\n"
        lines = value.split(newline)
        change(lines, i % len(lines), j % len(lines))
        return newline.join(lines)

    return apply


def _swap(lines: list[Any], i: int, j: int) -> None:
    lines[i], lines[j] = lines[j], lines[i]


_CHANGES: Final[dict[str, Callable[[Any, int, int], Any]]] = {
    "cut": lambda v, i, _: v[: i % (len(v) + 1)],
    "without": lambda v, i, j: v[: i % (len(v) + 1)] + v[i % (len(v) + 1) + 1 + j % 4 :],
    "again": lambda v, i, j: v[: i % (len(v) + 1)] + v[j % (len(v) + 1) :],
    "doubled": lambda v, *_: v + v,
    "lines swapped": _lines(_swap),
    "line repeated": _lines(lambda lines, i, j: lines.insert(j, lines[i])),
    "line gone": _lines(lambda lines, i, _: lines.pop(i)),
    "line empty": _lines(lambda lines, i, _: lines.insert(i, lines[i][:0])),
}


def mutants_of_bytes(valid: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Make bytes that are valid, almost, or anything."""

    def change(draw: st.DrawFn) -> bytes:
        value = draw(st.sampled_from(valid))
        for _ in range(draw(st.integers(0, 3))):
            i, j = draw(st.integers(0, 1 << 16)), draw(st.integers(0, 1 << 16))
            kind = draw(st.sampled_from(["flip", "json", "text", *_CHANGES]))
            at = i % (len(value) + 1)
            if kind == "flip" and at < len(value):
                value = value[:at] + bytes((value[at] ^ 1 << j % 8,)) + value[at + 1 :]
            elif kind == "json":
                value = _instead(value, draw(st.sampled_from(_JSON)), i, draw(st.sampled_from([b'":{}[],', b""])))
            elif kind == "text":
                value = _text(draw, value.decode("latin-1"), i, surrogates=()).encode("utf-8", "surrogatepass")
            elif kind in _CHANGES:
                value = _CHANGES[kind](value, i, j)
        return value

    return st.one_of(st.composite(change)(), st.binary(max_size=200))


def mutants_of_text(valid: Sequence[str]) -> st.SearchStrategy[str]:
    """Make texts that are valid, almost, or anything; half characters are among them, as arguments of commands have."""

    def change(draw: st.DrawFn) -> str:
        value = draw(st.sampled_from(valid))
        for _ in range(draw(st.integers(0, 3))):
            i, j = draw(st.integers(0, 1 << 16)), draw(st.integers(0, 1 << 16))
            kind = draw(st.sampled_from(["text", "text", *_CHANGES]))
            value = _text(draw, value, i) if kind == "text" else str(_CHANGES[kind](value, i, j))
        return value

    anything = st.text(st.characters(codec=None, categories=None), max_size=200)
    return st.one_of(st.composite(change)(), anything)


def _text(draw: st.DrawFn, value: str, i: int, surrogates: Sequence[str] = _SURROGATES) -> str:
    kind = draw(st.sampled_from(["number", "look-alike", "strange", "case", *(["half"] if surrogates else [])]))
    at = i % (len(value) + 1)
    if kind == "number":
        digits = [k for k, character in enumerate(value) if character.isdigit()]
        return str(_instead(value, draw(st.sampled_from(_NUMBERS)), digits[i % len(digits)] if digits else i, ""))
    if kind == "look-alike":
        return value[:at] + "".join(_LOOK_ALIKES.get(c, c) for c in value[at : at + 1]) + value[at + 1 :]
    if kind == "case":
        return value[:at] + value[at : at + 1].swapcase() + value[at + 1 :]
    return value[:at] + draw(st.sampled_from(surrogates if kind == "half" else _STRANGE)) + value[at:]


def _instead(value: Any, new: Any, i: int, ends: Any) -> Any:
    """Put something in the place of what begins at an index and goes to one of `ends`, or of one character."""
    at = i % (len(value) + 1)
    end = at + 1
    while ends and end < len(value) and value[end : end + 1] not in ends:
        end += 1
    return value[:at] + new + value[end:]


@st.composite
def altered_receipts(draw: st.DrawFn, receipt: str) -> bytes:
    """Replace, remove, double or insert bytes anywhere, most of all in the lines that are not base64."""
    text = bytearray(receipt.encode())
    extra_end = text.index(b"\nindex ")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.one_of(st.integers(0, len(text) - 1), st.integers(extra_end, len(text) - 1)))
        match draw(st.sampled_from(["replace", "remove", "double", "insert"])):
            case "replace":
                text[at] = draw(st.integers(0, 255))
            case "remove":
                del text[at]
            case "double":
                text[at:at] = text[at : at + draw(st.integers(1, 60))]
            case _:
                text[at:at] = draw(st.sampled_from([b"\n", b" ", b"=", b"+", b"0", b"\r", "— ".encode(), b"\x00"]))
    return bytes(text)
