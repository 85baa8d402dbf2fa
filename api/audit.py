"""Audit exports: made for whoever runs the ledger, and answers recomputed from them (docs/guide/audit.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from adapters.exports.files import write_file
from adapters.exports.provenance import ExportedEvents, ExportProvenance
from adapters.postgres.connection import open_pool
from adapters.postgres.erasure import erasures_after
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.ledgers import personal_members
from adapters.postgres.notary import PostgresLog, find_logs
from api.codes import read_code
from api.provenance import item_out, microseconds_of
from api.provenance_models import MAX_HISTORY, USUAL_HISTORY, TreeOut, Trees
from api.trace_holders import holders_of
from api.trace_models import TraceIn
from api.traces import query_of, written_trace
from api.wiring import Engine
from traceability.errors import InvalidInputError, NotFoundError
from traceability.ledger.access import ALL_PARTS, PUBLIC, Grant, Reader
from traceability.ledger.event import UNREADABLE
from traceability.ledger.index import Visibility
from traceability.ledger.organisations import Organisations
from traceability.ledger.register.register import Register
from traceability.notary.age import WORK
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.content import decode_json
from traceability.notary.encoding import text_of
from traceability.notary.errors import NotPublishedError
from traceability.notary.export import ExportHeader, checked, write_export
from traceability.notary.ports import SignedCheckpoint, StoredEvent
from traceability.supply_chain.history import item_history
from traceability.supply_chain.parties import ListedParties, Parties
from traceability.supply_chain.provenance import trace
from traceability.supply_chain.seen import thing_of

Progress = Callable[[int, int], None]
_EVERY: Final = 1_000
_UNORDERED: Final = ("edges", "events", "frontier")
"""Lists of a trace whose order means nothing."""
_ASIDE: Final = ("names", "recalls", "stops")
"""Members that are not compared: what things are called, recalls and what stops them are told beside their history."""


class WholeView(Reader):
    """Sees every event whole, as who holds all openings does."""

    __slots__ = ()

    def extent(self, visibility: Visibility) -> frozenset[str] | None:  # noqa: ARG002 - whatever it is
        """Return all parts."""
        return ALL_PARTS


def export_log(
    engine: Engine,
    path: Path,
    passphrase: str,
    *,
    log: str | None = None,
    until: int | None = None,
    work: int = WORK,
    progress: Progress = lambda _done, _whole: None,
) -> tuple[list[Checkpoint], int]:
    """Write all openings of a ledger's logs up to signed checkpoints; return these and the file's size in bytes.

    It reads as the owner role. `log` is the only one to write, None for the whole chain; `until` a size of the last one
    that was signed, None for its last checkpoint; `work` that of `encrypt`.
    Raises `NotFoundError` (`log.unknown`, `log.no_such_checkpoint`), `NotPublishedError`, whatever `write_file` does,
    and `VerificationError` when the records are not what was signed.
    """
    with open_pool(engine.urls.owner, max_size=2) as pool:
        ledger = PostgresLedger(pool, engine.rules, name=engine.ledger.name, organisation=engine.settings.organisation)
        logs = [one for one in find_logs(pool, ledger.ledger_id) if log in (None, one.identity.name)]
        if not logs:
            raise NotFoundError(
                f"The ledger {ledger.name} has no log{'' if log is None else f' {log}'}",
                code="log.unknown",
                hint="The server makes it, and so does: traceability log integrate",
            )
        signed = _signed(logs, until)
        with pool.connection() as connection:
            personal = personal_members(connection, ledger.ledger_id)
        readers = tuple(_readers(engine.organisations, engine.settings.operator))
        headers = [
            ExportHeader(
                ledger=ledger.name,
                log=database.identity.name,
                origin=database.identity.origin,
                vkey=database.identity.vkey,
                first_position=database.identity.first_position,
                size=end.checkpoint.size,
                personal=personal,
                readers=readers,
            )
            for database, end in signed
        ]
        last, told = headers[-1].last_position, _Told(sum(header.size for header in headers), progress)
        sections = [
            write_export(
                header,
                told.each(checked(islice(database.events(), header.size), end.checkpoint)),
                # What was recorded behind one tree of several is an event of the next.
                (lambda: erasures_after(ledger, last, until=last)) if header is headers[-1] else list,
                end.note,
            )
            for header, (database, end) in zip(headers, signed, strict=True)
        ]
        size = write_file(path, chain.from_iterable(sections), passphrase, engine.entropy, work=work)
        return [end.checkpoint for _, end in signed], size


def _signed(logs: Sequence[PostgresLog], until: int | None) -> list[tuple[PostgresLog, SignedCheckpoint]]:
    """Return the logs with the checkpoint that each ends with, as far as they are signed without a gap."""
    found = []
    for database in logs:
        final = database.identity.final_size
        end = database.last_signed() if final is None else database.signed_at_size(final)
        if end is None and database.identity.abandoned_note is None:
            # It is closing: nothing behind it is signed before all of it is.
            end = database.last_signed()
        if end is not None:
            found.append((database, end))
    if not found:
        raise NotPublishedError("nothing of this log is signed yet", hint="Run: traceability log integrate")
    if until is not None:
        database, _ = found.pop()
        if (end := database.signed_at_size(until)) is None:
            raise NotFoundError(
                f"No checkpoint of size {until} was signed by the log {database.identity.name}",
                code="log.no_such_checkpoint",
                hint="Leave --until out for the last one; the sizes in between depend on when the log was integrated.",
            )
        found.append((database, end))
    return found


def reader_named(header: ExportHeader, organisation: str | None) -> Reader:
    """Return the reader that an export tells of, or for None who sees all; raises `NotFoundError`."""
    if organisation is None:
        return WholeView("")
    for members in header.readers:
        if members.get("organisation") == organisation:
            try:
                grants = tuple(
                    Grant(
                        str(grant["grantor"]),
                        str(grant["grantee"]),
                        None if grant["steps"] is None else frozenset(map(str, grant["steps"])),
                        frozenset(map(str, grant["parts"])),
                    )
                    for grant in members["grants"]
                )
                return Reader(organisation, frozenset(map(str, members["parties"])), grants)
            except (KeyError, TypeError) as error:
                raise InvalidInputError("a reader in the export is misshapen", code="audit.format") from error
    raise NotFoundError(
        f"The export tells of no organisation {organisation}",
        code="audit.unknown_reader",
        hint=f"It tells of: {', '.join(str(members.get('organisation')) for members in header.readers)}.",
    )


def require_first(header: ExportHeader) -> None:
    """Raise `InvalidInputError` (`audit.not_first`) for the export of a log that does not begin its ledger."""
    if header.first_position != 1:
        raise InvalidInputError(
            f"This log begins at position {header.first_position}: what came before it is not in the export",
            code="audit.not_first",
        )


class ItemQuestion(BaseModel):
    """What `GET /provenance/items/{item}` asks."""

    model_config = ConfigDict(extra="forbid")
    item: str
    as_of: AwareDatetime | None = None
    known_at: int | None = Field(default=None, ge=0)
    limit: int = Field(default=USUAL_HISTORY, ge=1, le=MAX_HISTORY)


class TraceQuestion(BaseModel):
    """What `POST /provenance/traces` asks."""

    model_config = ConfigDict(extra="forbid")
    trace: TraceIn


Question = ItemQuestion | TraceQuestion
_question: Final[TypeAdapter[Question]] = TypeAdapter(Annotated[ItemQuestion | TraceQuestion, Field()])


def read_question(data: bytes) -> Question:
    """Read a question; raises `InvalidInputError` (`audit.question`)."""
    try:
        return _question.validate_json(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        raise InvalidInputError(
            f"The question cannot be read: {': '.join(filter(None, ('.'.join(map(str, found['loc'])), found['msg'])))}",
            code="audit.question",
            hint='Ask {"item": "…"} or {"trace": {"roots": ["…"]}}, with the members that the HTTP interface takes.',
        ) from error


def read_answer(data: bytes) -> dict[str, Any]:
    """Read an answer as the HTTP interface gave it; raises `InvalidInputError`."""
    answer = decode_json(text_of(data, "the answer"), "the answer", number=Decimal)
    if not isinstance(answer, dict):
        raise InvalidInputError("The answer is not a JSON object", code="audit.answer")
    return answer


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place, a JSON pointer, at which an answer is not what the events give; a missing value is None."""

    pointer: str
    answer: object
    recomputed: object


def recompute(events: ExportedEvents, question: Question, reader: Reader, answer: Mapping[str, Any] | None) -> bytes:
    """Answer a question from an export; return the JSON that the HTTP interface would give.

    `known_at` and the size of the published tree are those of the answer that it is to be compared with, else those of
    the export. Raises as the HTTP interface does.
    """
    require_first(events.headers[0])
    trees = _trees(events.headers, answer)
    asked = question.trace if isinstance(question, TraceQuestion) else question
    known_at = asked.known_at
    if known_at is None and answer is not None and isinstance(told := answer.get("known_at"), Decimal):
        known_at = int(told)
    index = ExportProvenance(events, reader=reader, known_at=known_at)
    try:
        return _answered(index, question, trees, _parties(events, reader, index.known_at))
    except UNREADABLE as error:
        # Who signed the log is whom an auditor does not trust: parts that the index does not look at may hold anything.
        raise InvalidInputError(
            "An event that the answer is made of cannot be read", code="ledger.unreadable_parts"
        ) from error


def _parties(events: ExportedEvents, reader: Reader, known_at: int) -> Parties:
    """Return the organisations that an export tells of, by the parties that they are, with what is registered."""
    named: dict[str, str] = {}
    operator = ""
    for members in events.headers[-1].readers:
        organisation, parties = members.get("organisation"), members.get("parties")
        if isinstance(organisation, str) and organisation != PUBLIC and isinstance(parties, list):
            named.update((party, organisation) for party in parties if isinstance(party, str))
            operator = organisation if members.get("operator") is True else operator
    return ListedParties(named, Register(events.register(reader, known_at), operator))


def _answered(index: ExportProvenance, question: Question, trees: Trees, parties: Parties) -> bytes:
    if isinstance(question, TraceQuestion):
        query = query_of(question.trace)
        holders = holders_of(index, parties, question.trace, query)
        return written_trace(question.trace, trace(index, query), trees, holders=holders, names={})
    identifier = read_code(question.item)
    as_of = None if question.as_of is None else microseconds_of(question.as_of)
    found = item_history(index, thing_of(identifier.uri), parties, as_of)
    return item_out(found, identifier, trees, question.limit).model_dump_json().encode()


def difference(answer: Mapping[str, Any], recomputed: Mapping[str, Any]) -> Difference | None:
    """Return where an answer first differs from what was recomputed; `read_answer` has read both."""
    return next(_differences("", _in_order(answer), _in_order(recomputed)), None)


def _in_order(answer: Mapping[str, Any]) -> dict[str, Any]:
    sort = "edges" in answer
    return {
        name: sorted(value, key=_text) if sort and name in _UNORDERED and isinstance(value, list) else value
        for name, value in answer.items()
        if name not in _ASIDE
    }


def _text(value: object) -> bytes:
    return orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS)


def _differences(pointer: str, answer: object, recomputed: object) -> Iterator[Difference]:
    if isinstance(answer, dict) and isinstance(recomputed, dict):
        for name in {**recomputed, **answer}:
            below = f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"
            if name in answer and name in recomputed:
                yield from _differences(below, answer[name], recomputed[name])
            else:
                yield Difference(below, answer.get(name), recomputed.get(name))
    elif isinstance(answer, list) and isinstance(recomputed, list):
        for number, (one, other) in enumerate(zip(answer, recomputed, strict=False)):
            yield from _differences(f"{pointer}/{number}", one, other)
        if len(answer) != len(recomputed):
            at = min(len(answer), len(recomputed))
            yield Difference(
                f"{pointer}/{at}", *(side[at] if at < len(side) else None for side in (answer, recomputed))
            )
    elif type(answer) is not type(recomputed) or answer != recomputed:
        yield Difference(pointer, answer, recomputed)


def _trees(headers: Sequence[ExportHeader], answer: Mapping[str, Any] | None) -> Trees:
    trees = [
        TreeOut(
            name=header.log,
            origin=header.origin,
            vkey=header.vkey,
            first_position=header.first_position,
            size=header.size,
        )
        for header in headers
    ]
    if answer is not None and "log" in answer:
        told = answer["log"]
        if told is None:
            return Trees(())
        if isinstance(told, dict):
            # Which log was the last, and how much of it was published, are what the events do not tell.
            named = [number for number, tree in enumerate(trees, 1) if tree.name == told.get("name")]
            trees = trees[: named[0]] if named else trees
            if isinstance(size := told.get("size"), int | Decimal):
                trees[-1] = trees[-1].model_copy(update={"size": int(size)})
    return Trees(tuple(trees))


def _readers(organisations: Organisations, operator: str) -> Iterator[dict[str, Any]]:
    for name in (PUBLIC, *(organisation.name for organisation in organisations.all())):
        reader = organisations.reader(name)
        grants = [
            {
                "grantor": grant.grantor,
                "grantee": grant.grantee,
                "steps": None if grant.steps is None else sorted(grant.steps),
                "parts": sorted(grant.parts),
            }
            for grant in reader.grants
        ]
        kept = {"operator": True} if name == operator else {}
        yield {"organisation": name, "parties": sorted(reader.parties), "grants": grants, **kept}


class _Told:
    """Tells how many of all events have passed."""

    def __init__(self, whole: int, progress: Progress) -> None:
        self._passed, self._whole, self._progress = 0, whole, progress

    def each(self, events: Iterable[StoredEvent]) -> Iterator[StoredEvent]:
        for event in events:
            yield event
            self._passed += 1
            if self._passed % _EVERY == 0:
                self._progress(self._passed, self._whole)
