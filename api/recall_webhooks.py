"""What an organisation is told in recall cases, as a webhook is told of it: notices, answers to it, and ends.

It is delivered as the events of a named query are, signed, in order, tried again and given up in the end. The query
under which it is kept has a name that no query of an organisation can have, and nobody asks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import orjson

from adapters.postgres.recalls import PostgresRecalls
from api.recall_cases import seen_as_said
from api.recalls import said_out
from api.wiring import Engine
from traceability.ledger.access import Reader

TOLD_IN_RECALLS: Final = "recalls:told"
NO_QUERY: Final = "{}"


def read_told(engine: Engine, reader: Reader, after: int, until: int, most: int) -> tuple[list[bytes], int | None]:
    """Return what a reader's organisation was told in (after, until], `most` at most, as JSON.

    Beside it the last position that was read, None if there is nothing more up to `until`.
    """
    records = PostgresRecalls(engine.ledger).told(reader.organisation, after=after, until=until, limit=most)
    told = []
    for record in records:
        said = seen_as_said(engine, reader, record)
        if said is not None:
            members = {"case": said.payload.case, **said_out(said).model_dump(mode="json", exclude={"claim"})}
            told.append(orjson.dumps(members))
    return told, records[-1].position if len(records) == most else None


def told_document(told: Sequence[bytes], subscription_id: str) -> bytes:
    """Return what is posted."""
    return b'{"subscription_id":' + orjson.dumps(subscription_id) + b',"recalls":[' + b",".join(told) + b"]}"
