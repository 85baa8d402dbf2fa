"""What a workbook of one sheet holds, read by the names of ECMA-376 and nothing of ours."""

from __future__ import annotations

from io import BytesIO
from zipfile import ZipFile

from lxml import etree

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def sheet_rows(workbook: bytes) -> list[list[str]]:
    """Return the texts of the cells; fails for a cell that is no inline text."""
    with ZipFile(BytesIO(workbook)) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            etree.fromstring(archive.read(name))
        sheet = etree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    cells = sheet.findall(f".//{_MAIN}c")
    assert {cell.get("t") for cell in cells} <= {"inlineStr"}
    assert not sheet.findall(f".//{_MAIN}f")
    rows = sheet.findall(f"{_MAIN}sheetData/{_MAIN}row")
    return [["".join(map(str, cell.itertext())) for cell in row] for row in rows]
