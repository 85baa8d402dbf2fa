"""Tables as files for spreadsheets: CSV (RFC 4180) and XLSX (ECMA-376), in which every cell is text.

What partners call things is not ours to choose, and a spreadsheet runs what begins like a formula. In XLSX a cell says
that it is text, so nothing is run. CSV cannot say so: there what looks like a formula gets an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Final
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

CSV: Final = "text/csv"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_ROWS: Final = 1_048_575
"""Rows of a sheet below its heading."""

_FORMULA: Final = re.compile(r"[=+\-@\t\r]").match
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HEADING: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS: Final = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_FILES: Final = {
    "[Content_Types].xml": (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1" Type="{_OFFICE}/officeDocument"'
        ' Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1" Type="{_OFFICE}/worksheet"'
        ' Target="worksheets/sheet1.xml"/></Relationships>'
    ),
}
_FIRST_DAY: Final = (1980, 1, 1, 0, 0, 0)  # the same table is the same bytes
Row = Sequence[str]


def csv_lines(columns: Row, rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield a table as CSV in UTF-8: the heading, then a line each row."""
    for row in _with(columns, rows):
        text = io.StringIO()
        csv.writer(text).writerow([f"'{cell}" if _FORMULA(cell) else cell for cell in row])
        yield text.getvalue().encode(errors="replace")


def write_xlsx(file: IO[bytes], name: str, columns: Row, rows: Iterable[Row]) -> None:
    """Write a table as a workbook of one sheet; `name` is up to 31 letters, digits and spaces.

    What XML cannot hold becomes U+FFFD.
    """
    workbook = (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets><sheet name="{name}" sheetId="1" r:id="rId1"/></sheets>'
        "</workbook>"
    )
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for path, content in {**_FILES, "xl/workbook.xml": workbook}.items():
            archive.writestr(_entry(path), _HEADING + content)
        with archive.open(_entry("xl/worksheets/sheet1.xml"), "w", force_zip64=True) as sheet:
            sheet.write(f'{_HEADING}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
            for row in _with(columns, rows):
                sheet.write(f"<row>{''.join(map(_cell, row))}</row>".encode())
            sheet.write(b"</sheetData></worksheet>")


def _with(columns: Row, rows: Iterable[Row]) -> Iterator[Row]:
    yield columns
    yield from rows


def _cell(text: str) -> str:
    clean = escape(_NOT_IN_XML.sub("\ufffd", text))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{clean}</t></is></c>'


def _entry(path: str) -> ZipInfo:
    entry = ZipInfo(path, _FIRST_DAY)
    entry.compress_type = ZIP_DEFLATED
    return entry
