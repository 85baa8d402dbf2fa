"""The lengths of company prefixes: GS1's list as the package `biip` brings it, and a file of the user's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import orjson

from traceability.errors import InvalidInputError, UnavailableError
from traceability.gs1.company_prefixes import CompanyPrefixes, ListedPrefixes

_LINE: Final = re.compile(r"\s*([0-9]{1,12})\s*[,;\t ]\s*([0-9]{1,2})\s*").fullmatch
_XML_ENTRY: Final = re.compile(r'<entry\s+prefix="([0-9]{1,12})"\s+gcpLength="([0-9]{1,2})"\s*/?>').findall
_LONGEST: Final = 12


class PublishedPrefixes:
    """GS1's list of company prefix lengths, loaded when it is first asked."""

    def length_of(self, digits: str) -> int | None:
        """Return the length of the company prefix that `digits` begin with, None when GS1's list does not tell."""
        from biip.gs1_prefixes import GS1CompanyPrefix  # noqa: PLC0415 - its list takes a quarter of a second to load

        found = GS1CompanyPrefix.extract(digits) if digits else None
        return None if found is None else len(found.value)


def company_prefixes(file: Path | None) -> CompanyPrefixes:
    """Return GS1's list, before it the user's file where there is one.

    The file is GS1's GCPPrefixFormatList, as JSON or XML, or has lines `9521234,7`. Raises `UnavailableError` when it
    cannot be read, `InvalidInputError` (`gs1.prefix_file`) when it is something else.
    """
    published = PublishedPrefixes()
    return published if file is None else ListedPrefixes(_lengths(file), published)


def _lengths(file: Path) -> dict[str, int]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UnavailableError(f"Cannot read {file}: {error.strerror}", code="gs1.prefix_file") from error
    except UnicodeDecodeError as error:
        raise _no_list(file, "it is not UTF-8") from error
    if text.lstrip().startswith("{"):
        return _of_json(file, text)
    if text.lstrip().startswith("<"):
        return _checked(file, dict(_XML_ENTRY(text)))
    lines = [line.partition("#")[0] for line in text.splitlines()]
    found = [_LINE(line) for line in lines if line.strip()]
    if not all(found):
        raise _no_list(file, "a line is not a prefix and a length")
    return _checked(file, {match[1]: match[2] for match in found if match})


def _of_json(file: Path, text: str) -> dict[str, int]:
    try:
        entries = orjson.loads(text)["GCPPrefixFormatList"]["entry"]
        return _checked(file, {str(entry["prefix"]): str(entry["gcpLength"]) for entry in entries})
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise _no_list(file, "it is not GS1's GCPPrefixFormatList") from error


def _checked(file: Path, lengths: dict[str, str]) -> dict[str, int]:
    if not lengths or any(not length.isdecimal() or int(length) > _LONGEST for length in lengths.values()):
        raise _no_list(file, "there is no entry in it, or a length beyond 12")
    return {prefix: int(length) for prefix, length in lengths.items() if int(length)}


def _no_list(file: Path, reason: str) -> InvalidInputError:
    return InvalidInputError(
        f"{file} is no list of company prefixes: {reason}.",
        code="gs1.prefix_file",
        hint="A line of it is a prefix and the length of company prefixes that begin so: 9521234,7",
    )
