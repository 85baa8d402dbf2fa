from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.middleware import nesting

json_values = st.recursive(
    st.none() | st.integers(-(10**9), 10**9) | st.text(alphabet='[]{}"\\a\né', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='[{"\\', max_size=3), inner, max_size=3)
    ),
    max_leaves=20,
)


def depth_of(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 0


@given(json_values)
def test_nesting_is_the_depth_of_the_value(value: object) -> None:
    assert nesting(orjson.dumps(value)) == depth_of(value)


@given(st.binary(max_size=200))
def test_any_bytes_have_a_nesting(body: bytes) -> None:
    assert 0 <= nesting(body) <= len(body)


@pytest.mark.parametrize("unit", [b'"', b'\\"', b"[", b'"\\', b'{"'])
def test_a_megabyte_of_anything_is_read_once(unit: bytes) -> None:
    body = b'"' * 1 + unit * (1_000_000 // len(unit))
    assert nesting(body) <= len(body)  # quadratic matching would not return within the run
