"""Long arrays of numbers on the wire: psycopg makes an object and two calls of each number, this none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from psycopg.adapt import Buffer, Dumper, Loader
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


_HEADER: Final = np.dtype(
    [("dimensions", ">i4"), ("nulls", ">i4"), ("type", ">i4"), ("length", ">i4"), ("bound", ">i4")]
)
_ELEMENTS: Final = {
    16: np.dtype([("length", ">i4"), ("value", "u1")]),  # boolean
    18: np.dtype([("length", ">i4"), ("value", "u1")]),  # "char"
    _OID_BIGINT: _ELEMENT,
}


class ArrayLoader(Loader):
    """Reads an array without nulls, of bigint, boolean or "char", in one dimension."""

    format = Format.BINARY

    def load(self, data: Buffer) -> npt.NDArray[Any]:
        """Return the numbers."""
        header = np.frombuffer(data, _HEADER, 1)[0]
        return np.frombuffer(data, _ELEMENTS[int(header["type"])], int(header["length"]), _HEADER.itemsize)["value"]
