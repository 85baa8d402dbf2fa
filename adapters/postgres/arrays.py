"""Long arrays of integers as parameters: psycopg makes an object and two calls of each number, this none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from psycopg.adapt import Dumper
from psycopg.pq import Format

_OID_BIGINT: Final = 20
_OID_BIGINTS: Final = 1016
_ELEMENT: Final = np.dtype([("length", ">i4"), ("value", ">i8")])

Bigints = npt.NDArray[np.int64]


def bigints(numbers: Iterable[int]) -> Bigints:
    """Return a bigint[] to give to a query."""
    return np.fromiter(numbers, dtype=np.int64)


class BigintsDumper(Dumper):
    """The wire format of a bigint[] (PostgreSQL's `array_send`): dimensions, has nulls, element type, length, bound."""

    format = Format.BINARY
    oid = _OID_BIGINTS

    def dump(self, obj: Any) -> bytes:  # noqa: ANN401  # psycopg's signature
        """Return the array as bytes."""
        elements = np.empty(len(obj), dtype=_ELEMENT)
        elements["length"], elements["value"] = _ELEMENT["value"].itemsize, obj
        header = (1, 0, _OID_BIGINT, len(obj), 1) if len(obj) else (0, 0, _OID_BIGINT)
        return np.array(header, dtype=">i4").tobytes() + elements.tobytes()
