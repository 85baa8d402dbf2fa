"""Rows of a batch: what two of its events must not share."""

from __future__ import annotations

import pytest

from adapters.postgres import rows as module
from adapters.postgres.rows import rows_of, visibilities_of, visibility_columns
from tests.ledgers import RULES, event
from traceability.errors import ConflictError
from traceability.ledger.index import tag_hash
from traceability.ledger.store import Prepared, prepare


def prepared(*tags: str) -> Prepared:
    return prepare(event(*tags), RULES, captured_by="tests.example")


def test_one_id_for_two_visibilities_ends_the_append(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "visibility_id", lambda _: 7)
    one, other = prepared("party:a"), prepared("party:b")
    for batch in ([one, one], [other]):
        rows_of(batch, tag_hash)
    with pytest.raises(ConflictError) as within:
        rows_of([one, other], tag_hash)
    known = visibilities_of(rows_of([one], tag_hash))
    assert visibility_columns(rows_of([one], tag_hash), known) == [[], [], [], [], []]
    with pytest.raises(ConflictError) as against_known:
        visibility_columns(rows_of([other], tag_hash), known)
    assert within.value.code == against_known.value.code == "ledger.visibility_collision"
