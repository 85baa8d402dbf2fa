"""EPCIS events from CSV (RFC 4180): a mapping says which field of an event is made of which columns.

A mapping is TOML or JSON. Its `fields` give each field a template: text as it is, with the value of a column in place
of `{column}`. A row is an event. In a field that is a list, columns may hold several values with `list_separator`
between them, and the n-th value of each column makes the n-th entry. A field whose columns are empty is left out, and
so is an object of which only constants would be left.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

import msgspec

from traceability.errors import InvalidInputError
from traceability.gs1.epcis.event import ALL_FIELDS
from traceability.gs1.epcis.strict_json import JSON, JsonTextError, number_of, read_value
from traceability.gs1.epcis.times import is_offset

Path: TypeAlias = tuple[str, ...]
Row: TypeAlias = Mapping[str, str]

_TEXTS: Final = frozenset({"epcList", "childEPCs", "inputEPCList", "outputEPCList", "set", "unset", "bizRules"})
_OBJECTS: Final = frozenset({
    "quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList", "bizTransactionList", "sourceList",
    "destinationList", "sensorElementList", "sensorReport",
})  # fmt: skip
_NUMBERS: Final = frozenset({
    "quantity", "value", "minValue", "maxValue", "meanValue", "sDev", "percRank", "percValue",
})  # fmt: skip
_TIMES: Final = frozenset({"eventTime", "recordTime", "declarationTime", "time", "startTime", "endTime"})
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII).fullmatch
_COLUMN: Final = re.compile(r"\{([^{}]+)\}")
_BRACE: Final = re.compile(r"[{}]").search
_DEEPEST: Final = 8


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    fields: dict[str, object]
    context: dict[str, str] = {}
    delimiter: str = ","
    encoding: str = "utf-8-sig"
    list_separator: str = "|"
    decimal_separator: str = "."
    time_format: str | None = None
    time_zone_offset: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """What a field is made of: texts, and between them columns; there is one text more than columns."""

    texts: tuple[str, ...]
    columns: tuple[str, ...]


class RowError(ValueError):
    """A row that no event can be made of."""


@dataclass(frozen=True, slots=True)
class CsvMapping:
    """How a file is written and what its columns mean; `context` has the prefixes of extension fields."""

    fields: Mapping[Path, Template]
    context: Mapping[str, str]
    delimiter: str
    encoding: str
    list_separator: str
    decimal_separator: str
    time_format: str | None
    time_zone_offset: str | None

    @property
    def columns(self) -> set[str]:
        """The columns that are used."""
        return {column for template in self.fields.values() for column in template.columns}

    def event(self, row: Row) -> dict[str, JSON]:
        """Return the event of a row; raises `RowError` when its lists do not fit each other.

        A value that is no time or number goes in as it is: whoever reads the event says what is wrong.
        """
        groups: defaultdict[str, dict[Path, Template]] = defaultdict(dict)
        for (name, *rest), template in self.fields.items():
            groups[name][tuple(rest)] = template
        event = {
            name: value for name, fields in groups.items() if (value := self._value(name, fields, row)) is not None
        }
        if self.time_zone_offset is not None and "eventTime" in event:
            event.setdefault("eventTimeZoneOffset", self.time_zone_offset)
        return event

    def _value(self, name: str, fields: Mapping[Path, Template], row: Row) -> JSON:
        """Return the value of a member, None when it has none."""
        if name in _OBJECTS:
            return self._objects(name, fields, row)
        if () in fields:
            texts = self._texts(fields[()], row, several=name in _TEXTS)
            if not texts:
                return None
            return [*texts] if name in _TEXTS else self._scalar(name, texts[0])
        said: dict[str, JSON] = {}
        for inner, below in _grouped(fields).items():
            value = self._value(inner, below, row)
            if value is not None:
                said[inner] = value
        return said if said and self._is_filled(fields, row) else None

    def _objects(self, name: str, fields: Mapping[Path, Template], row: Row) -> JSON:
        """Return a list of objects: each of the innermost list of lists is one set of values."""
        if not self._is_filled(fields, row):
            return None
        if any(path and path[0] in _OBJECTS for path in fields):
            inner = {n: self._value(n, below, row) for n, below in _grouped(fields).items()}
            return [{n: value for n, value in inner.items() if value is not None}]
        columns = {column for template in fields.values() for column in template.columns}
        values = {column: self._split(row[column]) for column in columns}
        lengths = {len(found) for found in values.values()} - {0, 1}
        if len(lengths) > 1:
            counts = " and ".join(map(str, sorted(lengths)))
            raise RowError(f"the columns of {name} have {counts} values")
        entries = []
        for i in range(lengths.pop() if lengths else 1):
            at = {column: (found[i] if len(found) > 1 else "".join(found)) for column, found in values.items()}
            entry = {n: self._value(n, below, at) for n, below in _grouped(fields).items()}
            if self._is_filled(fields, at):
                entries.append({n: value for n, value in entry.items() if value is not None})
        return entries or None

    def _is_filled(self, fields: Mapping[Path, Template], row: Row) -> bool:
        """Tell whether there is more than constants, or nothing but constants was wanted."""
        columns = [template.columns for template in fields.values() if template.columns]
        return not columns or any(all(row[column].strip() for column in each) for each in columns)

    def _texts(self, template: Template, row: Row, *, several: bool) -> list[str]:
        """Return the values of a template, none when one of its columns is empty."""
        values = [self._split(row[column]) if several else [row[column].strip()] for column in template.columns]
        if any(not found or not found[0] for found in values):
            return []
        lengths = {len(found) for found in values} - {1}
        if len(lengths) > 1:
            raise RowError(f"the columns {', '.join(template.columns)} have different numbers of values")
        texts = []
        for i in range(lengths.pop() if lengths else 1):
            filled = [found[i] if len(found) > 1 else found[0] for found in values]
            between = (a + b for a, b in zip(filled, template.texts[1:], strict=True))
            texts.append(template.texts[0] + "".join(between))
        return texts

    def _split(self, text: str) -> list[str]:
        return [piece.strip() for piece in text.split(self.list_separator)] if text.strip() else []

    def _scalar(self, name: str, text: str) -> JSON:
        if name in _NUMBERS:
            plain = text.replace(self.decimal_separator, ".")
            with suppress(JsonTextError):  # too long a number
                return number_of(plain) if _NUMBER(plain) else text
        if name in _TIMES and self.time_format is not None:
            return self._time(text)
        if name == "booleanValue" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        return text

    def _time(self, text: str) -> str:
        assert self.time_format is not None
        try:
            moment = datetime.strptime(text, self.time_format)  # noqa: DTZ007 - its offset is said beside it
        except ValueError:
            return text
        written = moment.isoformat()
        return written if moment.tzinfo is not None else written + (self.time_zone_offset or "")


def read_mapping(text: str) -> CsvMapping:
    """Read a mapping in TOML, or in JSON if it begins with a brace; raises `InvalidInputError` (`csv.mapping`)."""
    try:
        value = _plain(read_value(text.encode())) if text.lstrip().startswith("{") else tomllib.loads(text)
        written = msgspec.convert(value, _Written)
    except (tomllib.TOMLDecodeError, JsonTextError, msgspec.ValidationError, UnicodeEncodeError) as error:
        message = error.message if isinstance(error, JsonTextError) else str(error)
        raise _wrong(f"The mapping cannot be read: {message[:200]}") from error
    for name in ("delimiter", "list_separator", "decimal_separator"):
        if len(getattr(written, name)) != 1 or getattr(written, name) in '"\r\n':
            raise _wrong(f"The {name} is one character, and no quote or line break")
    if written.delimiter == written.list_separator:
        raise _wrong("The delimiter and the list_separator are different characters")
    try:
        "".encode(written.encoding)
    except (LookupError, ValueError) as error:
        raise _wrong(f"There is no encoding {written.encoding[:50]!a}") from error
    if written.time_zone_offset is not None and not is_offset(written.time_zone_offset):
        raise _wrong(f"{written.time_zone_offset[:50]!a} is no offset from UTC such as +01:00")
    fields = {path: _template(path, template) for path, template in _flat(written.fields, ())}
    if not fields:
        raise _wrong("The mapping has no fields")
    for name in dict.fromkeys(path[0] for path in fields):
        if name not in ALL_FIELDS and name.partition(":")[0] not in written.context and "://" not in name:
            raise _wrong(f"{name[:100]!a} is no field of an EPCIS event, and no prefix of it is in the context")
    return CsvMapping(
        fields,
        written.context,
        written.delimiter,
        written.encoding,
        written.list_separator,
        written.decimal_separator,
        written.time_format,
        written.time_zone_offset,
    )


def unmapped(mapping: CsvMapping, columns: Sequence[str]) -> list[str]:
    """Return the columns of a file that no field is made of.

    Raises `InvalidInputError` (`csv.columns`) when it lacks one that is needed, or names one twice.
    """
    missing = sorted(mapping.columns - set(columns))
    if missing:
        raise InvalidInputError(
            f"The file has no column {', '.join(map(repr, missing))}"[:300],
            code="csv.columns",
            hint=f"Its first line names: {', '.join(columns)}"[:300],
        )
    twice = {column for column in mapping.columns if columns.count(column) > 1}
    if twice:
        raise InvalidInputError(f"The file has several columns {', '.join(sorted(twice))}"[:300], code="csv.columns")
    return [column for column in dict.fromkeys(columns) if column not in mapping.columns]


def events_of_rows(mapping: CsvMapping, rows: Iterable[tuple[int, Row]]) -> Iterator[dict[str, JSON]]:
    """Yield an event for each row that is not empty; `rows` are lines, from 1, and values by column.

    Of a row that makes none comes an object that says why, and is then told of as any other malformed event.
    """
    for line, row in rows:
        if not any(value.strip() for value in row.values()):
            continue
        try:
            yield mapping.event(row)
        except RowError as error:
            yield {"line": str(line), "problem": str(error), "columns": dict(row)}


def _flat(fields: Mapping[str, object], above: Path) -> Iterator[tuple[Path, str]]:
    """Yield path and template, whether written as `"a.b" = …` or as tables in tables."""
    for written, value in fields.items():
        # A dot inside a full IRI, or behind a prefix, separates nothing.
        names = (written,) if ":" in written else tuple(written.split("."))
        path = (*above, *names)
        if not all(names) or len(path) > _DEEPEST:
            raise _wrong(f"{written[:100]!a} is no path to a field")
        if isinstance(value, dict):
            yield from _flat(value, path)
        elif isinstance(value, str):
            yield path, value
        else:
            raise _wrong(f"The template of {'.'.join(path)} is a text in quotes, also where it means a number")


def _template(path: Path, text: str) -> Template:
    pieces = _COLUMN.split(text)
    texts, columns = tuple(pieces[::2]), tuple(pieces[1::2])
    if any(_BRACE(piece) for piece in texts):
        raise _wrong(f"The template of {'.'.join(path)} has a brace that names no column")
    return Template(texts, columns)


def _grouped(fields: Mapping[Path, Template]) -> dict[str, dict[Path, Template]]:
    groups: defaultdict[str, dict[Path, Template]] = defaultdict(dict)
    for (name, *rest), template in fields.items():
        groups[name][tuple(rest)] = template
    return dict(groups)


def _plain(value: JSON) -> object:
    """Return a JSON value with its numbers as text, which no member of a mapping is."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, str | bool) else 0


def _wrong(message: str) -> InvalidInputError:
    return InvalidInputError(message, code="csv.mapping", hint="See: traceability partner preview --help")
