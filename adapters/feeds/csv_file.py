"""A CSV file as an EPCIS document, a row at a time, so that its length does not matter."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Final

from traceability.errors import InvalidInputError
from traceability.gs1.epcis.csv_mapping import CsvMapping, Row, events_of_rows, unmapped
from traceability.gs1.epcis.strict_json import dumps
from traceability.gs1.epcis.writer import CONTEXT
from traceability.ledger.event import utc_text

_AT_ONCE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class CsvRead:
    """What was read: the number of events, and the columns that no field is made of."""

    events: int
    unmapped: list[str]


def write_csv_events(
    stream: IO[bytes], mapping: CsvMapping, write: Callable[[bytes], object], *, created_at: int
) -> CsvRead:
    """Read CSV whose first line names the columns, and write an EPCISDocument of it; `created_at` in microseconds UTC.

    Event n of the document is data row n. Raises `InvalidInputError`: `csv.columns` when a column is missing,
    `csv.encoding` and `csv.broken` for what is not written as the mapping says.
    """
    text = io.TextIOWrapper(stream, mapping.encoding, newline="")
    reader = csv.reader(text, delimiter=mapping.delimiter, strict=True)
    try:
        columns = [name.strip() for name in next(reader, [])]
        left_over = unmapped(mapping, columns)
        write(_beginning(mapping, created_at))
        events, waiting = 0, bytearray()
        for event in events_of_rows(mapping, _rows(reader, columns)):
            waiting += (b"," if events else b"") + dumps(event)
            events += 1
            if len(waiting) >= _AT_ONCE:
                write(bytes(waiting))
                waiting.clear()
        write(bytes(waiting) + b"]}}")
    except csv.Error as error:
        raise InvalidInputError(
            f"Line {reader.line_num} is no CSV: {error}", code="csv.broken", hint="Quotes inside a value are doubled."
        ) from error
    except UnicodeError as error:
        raise InvalidInputError(
            f"The file is not written in {mapping.encoding}",
            code="csv.encoding",
            hint='Name its encoding in the mapping, such as: encoding = "cp1252"',
        ) from error
    finally:
        text.detach()  # the stream is the caller's to close
    return CsvRead(events, left_over)


def _rows(reader: Iterator[list[str]], columns: list[str]) -> Iterator[tuple[int, Row]]:
    for number, values in enumerate(reader, 1):
        # A short row lacks its last values; what is beyond the columns has no name.
        yield number, dict(zip(columns, [*values, *[""] * (len(columns) - len(values))], strict=False))


def _beginning(mapping: CsvMapping, created_at: int) -> bytes:
    context = dumps([CONTEXT, *([dict(mapping.context)] if mapping.context else [])])
    created = utc_text(created_at).encode()
    return (
        b'{"@context":' + context + b',"type":"EPCISDocument","schemaVersion":"2.0","creationDate":"' + created
        + b'","epcisBody":{"eventList":['
    )  # fmt: skip
