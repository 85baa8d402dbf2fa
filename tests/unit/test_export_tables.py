"""Tables for spreadsheets: every cell comes back as the text that it was, and none is a formula."""

from __future__ import annotations

import csv
import re
from io import BytesIO, StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.exports.tables import csv_lines, write_xlsx
from tests.support.sheets import sheet_rows

texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=8
) | st.sampled_from(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "</t>", "&amp;", "a,b", 'a"b', " a "])
tables = st.lists(st.lists(texts, min_size=2, max_size=2), max_size=5)


@given(tables)
def test_a_sheet_holds_the_texts_of_the_table(rows: list[list[str]]) -> None:
    file = BytesIO()
    write_xlsx(file, "Affected", ["thing", "holder"], rows)
    assert sheet_rows(file.getvalue()) == [["thing", "holder"], *rows]
    again = BytesIO()
    write_xlsx(again, "Affected", ["thing", "holder"], rows)
    assert again.getvalue() == file.getvalue()


@given(tables)
def test_a_line_of_csv_holds_them_and_nothing_that_is_run(rows: list[list[str]]) -> None:
    text = b"".join(csv_lines(["thing", "holder"], rows)).decode()
    _, *read = csv.reader(StringIO(text, newline=""))
    assert [[re.sub(r"^'(?=[=+\-@\t\r])", "", cell) for cell in row] for row in read] == [
        [re.sub(r"^'(?=[=+\-@\t\r])", "", cell) for cell in row] for row in rows
    ]
    assert not any(cell[:1] in ("=", "+", "-", "@", "\t", "\r") for row in read for cell in row)


@pytest.mark.parametrize("text", ["\0", "a\x1fb", "\ud800", "\uffff"])
def test_what_xml_cannot_hold_is_replaced(text: str) -> None:
    file = BytesIO()
    write_xlsx(file, "Affected", ["thing"], [[text]])
    assert "\ufffd" in sheet_rows(file.getvalue())[1][0]
    assert b"".join(csv_lines(["thing"], [[text]])).startswith(b"thing\r\n")
