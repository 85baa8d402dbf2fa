"""Growing tables of integers, looked up by their columns: what a trace of a hundred thousand nodes is walked over.

A column is an array of int64. To ask for many keys at once costs about as much as to ask for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

NONE: Final[Ints] = np.empty(0, np.int64)
NOTHING: Final = -1
"""In a column of numbers or positions: there is none."""


def ints(numbers: Iterable[int]) -> Ints:
    """Return a column."""
    return np.fromiter(numbers, np.int64)


def distinct(numbers: Ints) -> Ints:
    """Return each number once, in order."""
    # numpy.unique puts them into a table of hashes first, which takes ten to twenty times as long.
    ordered = np.sort(numbers)
    once: Ints = ordered[begins(ordered)]
    return once


def begins(numbers: Ints) -> Flags:
    """Tell which numbers are not the same as the one ahead of them."""
    # numpy.diff takes several times as long for the few that a step of a walk has.
    found = np.ones(len(numbers), np.bool_)
    np.not_equal(numbers[1:], numbers[:-1], out=found[1:])
    return found


def ranges(starts: Ints, counts: Ints) -> Ints:
    """Return the numbers from each start on, as many as its count says, one run after the other."""
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(int(counts.sum()))


def joined(wanted: Ints, keys: Ints) -> tuple[Ints, Ints]:
    """Return which wanted keys stand where among keys that are in order: two columns, in the order of `wanted`."""
    starts = np.searchsorted(keys, wanted, side="left")
    counts = np.searchsorted(keys, wanted, side="right") - starts
    return np.repeat(np.arange(len(wanted)), counts), ranges(starts, counts)


class Lookup:
    """Rows by a key; `find` gives rows of one key in the order in which they were added."""

    def __init__(self) -> None:
        self._keys: Ints = NONE
        self._rows: Ints = NONE

    def add(self, keys: Ints, first_row: int) -> None:
        """Add rows with these keys, numbered from `first_row`."""
        order = np.argsort(keys, kind="stable")
        keys, rows = keys[order], order + first_row
        if len(self._keys):
            # Merging is a copy; to sort again would compare what is in order already.
            places = np.searchsorted(self._keys, keys, side="right")
            keys, rows = np.insert(self._keys, places, keys), np.insert(self._rows, places, rows)
        self._keys, self._rows = keys, rows

    def find(self, wanted: Ints) -> tuple[Ints, Ints]:
        """Return which of the wanted keys have which rows: two columns, in the order of `wanted`."""
        which, places = joined(wanted, self._keys)
        return which, self._rows[places]


class Table:
    """Rows of integers with named columns, some of which can be looked up.

    Rows that are put are there after the next `settle`.
    """

    def __init__(self, columns: Sequence[str], by: Sequence[str]) -> None:
        self._columns = dict.fromkeys(columns, NONE)
        self._lookups = {name: Lookup() for name in by}
        self._firsts: list[Sequence[int]] = []
        self._others: list[tuple[int, ...]] = []

    @property
    def columns(self) -> Sequence[str]:
        """Return the names of the columns."""
        return list(self._columns)

    def __getitem__(self, column: str) -> Ints:
        return self._columns[column]

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def put(self, firsts: Sequence[int], *others: int) -> None:
        """Put rows that differ only in the first column."""
        if firsts:
            self._firsts.append(firsts)
            self._others.append(others)

    def settle(self) -> None:
        """Take in the rows that were put."""
        if not self._firsts:
            return
        counts = list(map(len, self._firsts))
        firsts = ints(chain.from_iterable(self._firsts))
        others = ints(chain.from_iterable(self._others)).reshape(len(counts), -1)
        self._firsts, self._others = [], []
        self.extend(firsts, *np.repeat(others, counts, axis=0).T)

    def extend(self, *columns: Ints) -> None:
        """Add rows, given as columns."""
        first_row = len(self)
        for (name, known), new in zip(self._columns.items(), columns, strict=True):
            self._columns[name] = np.concatenate([known, new])
            if name in self._lookups:
                self._lookups[name].add(new, first_row)

    def find(self, column: str, wanted: Ints) -> tuple[Ints, Ints]:
        """Return which of the wanted values of a column stand in which rows, as `Lookup.find` does."""
        return self._lookups[column].find(wanted)
