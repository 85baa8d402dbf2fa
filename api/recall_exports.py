"""The affected list of a recall case as a file for spreadsheets."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from enum import StrEnum
from typing import BinaryIO, Final, cast

from adapters.exports.tables import CSV, MOST_ROWS, XLSX, Row, csv_lines, write_xlsx
from api.recall_models import AffectedList
from traceability.errors import InvalidInputError


class TableFormat(StrEnum):
    """What a table is written as."""

    CSV = "csv"
    XLSX = "xlsx"


MEDIA_TYPES: Final = {TableFormat.CSV: CSV, TableFormat.XLSX: XLSX}
COLUMNS: Final = ("thing", "kind", "holder", "under way to the holder", "notified", "outcome", "quantity", "unit")
_IN_MEMORY: Final = 8 << 20
_PIECE: Final = 1 << 18


def table_of(found: AffectedList, form: TableFormat) -> Iterator[bytes]:
    """Yield the bytes of the list; raises `InvalidInputError` (`recall.too_many_rows`) for what no sheet holds."""
    if form is TableFormat.CSV:
        return csv_lines(COLUMNS, _rows(found))
    if len(found.affected) > MOST_ROWS:
        raise InvalidInputError(
            f"A sheet has {MOST_ROWS} rows, the list {len(found.affected)}",
            code="recall.too_many_rows",
            hint="Ask for CSV.",
        )
    file = cast("BinaryIO", tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115 - closed by whoever reads it
    write_xlsx(file, "Affected", COLUMNS, _rows(found))
    file.seek(0)
    return _pieces(file)


def _rows(found: AffectedList) -> Iterator[Row]:
    for one in found.affected:
        yield (
            one.thing,
            one.kind,
            one.holder or "",
            "yes" if one.awaited else "no",
            "yes" if one.notified else "no",
            one.outcome or "",
            "" if one.quantity is None else f"{one.quantity:f}",
            one.uom or "",
        )


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
