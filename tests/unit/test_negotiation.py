from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.web.negotiation import HTML, JSON, preferred

OFFERED = (HTML, JSON)
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, HTML),
        ("", HTML),
        ("*/*", HTML),
        (CHROME, HTML),
        ("application/json", JSON),
        ("Application/JSON", JSON),
        ("application/json, text/html;q=0.9", JSON),
        ("application/json;q=0.2, text/html;q=0.3", HTML),
        ("application/*", JSON),
        ("text/html;q=0, */*", JSON),
        ("application/json;charset=utf-8", JSON),
        ("image/png", None),
        ("text/html;q=0, application/json;q=0", None),
        ("text/html;q=x, application/json", JSON),
        ("text/html;q=7, application/json;q=0.1", JSON),
    ],
)
def test_the_preferred_type_is_chosen(accept: str | None, chosen: str | None) -> None:
    assert preferred(accept, OFFERED) == chosen


@given(st.text(max_size=80))
def test_no_header_breaks_it(accept: str) -> None:
    assert preferred(accept, OFFERED) in (HTML, JSON, None)
