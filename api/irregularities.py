"""What the evaluator found and keeps, as HTTP, pages and the command line tell it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from adapters.postgres.irregularities import KeptIrregularity, Place, PostgresIrregularities, Wanted
from api.codes import read_code
from api.evaluations import AcknowledgementOut, CitedOut, IrregularityOut, Named, acknowledged
from api.evaluator import judging_of, rights_of
from api.receipts import receipt_address
from api.wiring import Engine
from traceability.ledger.access import Reader
from traceability.supply_chain.evaluation import SENTENCES
from traceability.supply_chain.seen import thing_of

USUAL_PAGE: Final = 50
MOST_ON_A_PAGE: Final = 1_000
_PAGES_READ: Final = 10
"""Pages of rows that are read for one, when only those of which something is known, or nothing, are asked for."""
_RULES: Final = {rule.value: sentence for rule, sentence in SENTENCES.items()}


class KeptOut(IrregularityOut):
    """An irregularity, with the positions as known at which it was found, and was found no more."""

    known_at: int = Field(description="It was found as known at this position.")
    ended_at: int | None = Field(description="As known at this position it was found no more; null while it stands.")


class IrregularitiesOut(BaseModel):
    """What is irregular about the things of which you recorded something, in the events that you may see.

    Events up to `judged_to` were judged, of the `head` that there are.
    """

    judged_to: int
    head: int
    irregularities: list[KeptOut]


class IrregularitiesQuestion(BaseModel):
    """What addresses, forms and options ask for: a filter, whose empty parts do not count, and where to begin."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    code: str = Field(default="", max_length=100, description="The code of a rule.", examples=["ended"])
    severity: Literal["", "error", "warning"] = Field(default="", description="`error` or `warning`.")
    thing: str = Field(default="", max_length=2_048, description="About this thing: a Digital Link, URN, (01)…")
    standing: Literal["true", "false"] = Field(default="true", description="false: those that have ended.")
    acknowledged: Literal["", "true", "false"] = Field(
        default="", description="Whether somebody said that it is known."
    )
    after: Annotated[str, StringConstraints(pattern=r"^([0-9]{1,18}-[0-9a-f]{32})?$")] = Field(
        default="", description="Where the page begins: out of the `Link` of the one before."
    )
    per_page: int = Field(default=USUAL_PAGE, ge=1, le=MOST_ON_A_PAGE, alias="perPage")

    def wanted(self) -> Wanted:
        """Return the filter; raises `IdentifierError` for what is no thing."""
        thing = thing_of(read_code(self.thing).uri) if self.thing else None
        return Wanted(self.standing == "true", self.code or None, self.severity or None, thing)

    def place(self) -> Place | None:
        """Return the place behind which the page begins."""
        return Place.read(self.after) if self.after else None

    def following(self, place: Place, path: str) -> str:
        """Return the address of the page behind a place."""
        asked = self.model_dump(by_alias=True, exclude_defaults=True)
        return f"{path}?{urlencode(asked | {'after': place.text})}"


@dataclass(frozen=True, slots=True)
class Page:
    """An answer and the place behind which the next page begins, None on the last one."""

    answer: IrregularitiesOut
    following: Place | None


def list_irregularities(engine: Engine, reader: Reader, question: IrregularitiesQuestion) -> Page:
    """Return a page of what an organisation is told, what the newest events break first.

    Of those that are asked for by whether they are known, a page may hold fewer than there are: then another follows.
    Raises `IdentifierError`.
    """
    head = engine.ledger.head()
    answer = IrregularitiesOut(judged_to=_judged_to(engine, reader), head=head, irregularities=[])
    last: Place | None = None
    for read, (place, one) in enumerate(_told(engine, reader, question, head), 1):
        if not question.acknowledged or bool(one.acknowledged) is (question.acknowledged == "true"):
            if len(answer.irregularities) == question.per_page:
                return Page(answer, last)
            answer.irregularities.append(one)
        last = place
        if read == _PAGES_READ * question.per_page:
            return Page(answer, last)
    return Page(answer, None)


def _told(
    engine: Engine, reader: Reader, question: IrregularitiesQuestion, head: int
) -> Iterator[tuple[Place, KeptOut]]:
    """Yield what fits but for whether it is known, a page and one more at a time."""
    kept, wanted, after = PostgresIrregularities(engine.ledger), question.wanted(), question.place()
    visible, limit = engine.visibility.allowed(reader), question.per_page + 1
    while True:
        rows = kept.page(reader.organisation, visible, wanted, after=after, limit=limit)
        known = acknowledged(engine, reader, {row.event_id for row in rows}, head)
        yield from ((row.place, _out(row, known)) for row in rows)
        if len(rows) < limit:
            return
        after = rows[-1].place


def _out(row: KeptIrregularity, known: dict[Named, list[AcknowledgementOut]]) -> KeptOut:
    against = None
    if row.against is not None and row.against_id is not None:
        against = CitedOut(position=row.against, event_id=row.against_id, receipt=receipt_address(row.against_id))
    return KeptOut(
        thing=row.thing,
        code=row.code,
        severity=row.severity,
        rule=_RULES.get(row.code, ""),
        told=row.told,
        event=CitedOut(position=row.position, event_id=row.event_id, receipt=receipt_address(row.event_id)),
        against=against,
        acknowledged=known.get((row.thing, row.code, row.event_id), []),
        known_at=row.known_at,
        ended_at=row.ended_at,
    )


def _judged_to(engine: Engine, reader: Reader) -> int:
    """Return how far was judged by the rights that the reader has now."""
    judging = judging_of(engine)
    cursor = judging.cursors().get(reader.organisation)
    if cursor is None or cursor.rights != rights_of(reader, judging.known_glns(), engine.settings.operator):
        return 0
    return cursor.position
