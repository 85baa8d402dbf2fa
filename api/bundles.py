"""Bundles: an answer with the events that it rests on and one proof for all of them (docs/guide/bundles.md).

The answer is as known at the last published position, so that it never waits and each of its events has a proof.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO, Final, cast

import msgspec

from api import collector
from api.aircraft_parts import describe_pack
from api.epcis_events import Parameters, Question, ask_page
from api.evidence import describe, opening_of
from api.notary import PublishedLog, open_record, published_log, published_logs
from api.page_tokens import NextPage
from api.policy import verifiers_policy
from api.provenance import ask, describe_history, history_of
from api.trace_models import Include, TraceIn
from api.traces import trace_json
from api.wiring import Engine
from traceability.errors import InvalidInputError, NotFoundError
from traceability.gs1.epcis.writer import write_event, write_query_document
from traceability.gs1.identifiers import Identifier
from traceability.ledger.access import ITEM, SHAREABLE_PARTS, Reader, open_item_indices
from traceability.ledger.store import Record
from traceability.notary.bundle import BundledLog, Kind, LogShare, Manifest, names_in, strings_in, write_bundle
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.errors import DamagedLogError, NotPublishedError
from traceability.notary.log import tile_reader
from traceability.notary.receipt import Opening
from traceability.supply_chain.seen import thing_of

MEDIA_TYPE: Final = "application/zip"
MAX_EVENTS: Final = 20_000
"""Events of one bundle; who needs more asks for parts of the answer."""
_IN_MEMORY: Final = 8 << 20  # bytes of a bundle that are kept in memory; a larger one is written to disk
_AT_ONCE: Final = 200  # records in memory: each may have an item list of megabytes
_PIECE: Final = 1 << 18


class _Item(msgspec.Struct):
    id: str


_read_item: Final = msgspec.json.Decoder(_Item).decode


@dataclass(frozen=True, slots=True)
class _Published:
    """A log of the ledger as it is published now."""

    log: PublishedLog
    checkpoint: Checkpoint
    note: str

    @property
    def first(self) -> int:
        """The position of its first leaf."""
        return self.log.database.identity.first_position

    @property
    def last(self) -> int:
        """The position of its last published leaf.

        What an abandoned log has published beyond its end is not of this ledger.
        """
        end = self.log.database.identity.last_position
        last = self.first + self.checkpoint.size - 1
        return last if end is None else min(last, end)


def item_bundle(
    engine: Engine,
    reader: Reader,
    identifier: Identifier,
    *,
    as_of: datetime | None = None,
    known_at: int | None = None,
    limit: int,
) -> BinaryIO:
    """Return, as a file to be read and closed, the bundle of what is told of a thing.

    It holds all events of the thing's history, also those that `limit` leaves out of the answer. Raises as
    `describe_item` does, `NotPublishedError` for a `known_at` that is not published yet, and `InvalidInputError`
    (`bundle.too_many_events`).
    """
    published = _published(engine)
    known_at = _known_at(engine, reader, published, known_at)
    found = history_of(engine, reader, identifier, as_of=as_of, known_at=known_at)
    answer = describe_history(engine, found, identifier, limit).model_dump_json().encode()
    question = {"id": identifier.uri, "as_of": None if as_of is None else as_of.isoformat(), "limit": limit}
    manifest = Manifest(Kind.ITEM, reader.organisation, question, known_at, ())
    behind = {*names_in(answer).positions, *(entry.event.position for entry in found.entries)}
    openings = _openings(engine, reader, behind, answer)
    return _bundle(engine, published, manifest, answer=answer, behind=behind, openings=openings)


def part_bundle(
    engine: Engine,
    reader: Reader,
    identifier: Identifier,
    *,
    as_of: datetime | None = None,
    known_at: int | None = None,
) -> BinaryIO:
    """Return, as a file to be read and closed, the bundle of an aircraft part and its life: its trace back to birth.

    Raises as `describe_part` does, `NotPublishedError` for a `known_at` that is not published yet, and
    `InvalidInputError` (`bundle.too_many_events`).
    """
    published = _published(engine)
    known_at = _known_at(engine, reader, published, known_at)
    answer = describe_pack(engine, reader, identifier, as_of=as_of, known_at=known_at).model_dump_json().encode()
    question = {"id": identifier.uri, "as_of": None if as_of is None else as_of.isoformat()}
    manifest = Manifest(Kind.PART, reader.organisation, question, known_at, ())
    behind = names_in(answer).positions
    openings = _openings(engine, reader, behind, answer)
    return _bundle(engine, published, manifest, answer=answer, behind=behind, openings=openings)


def trace_bundle(engine: Engine, reader: Reader, question: TraceIn) -> BinaryIO:
    """Return, as a file to be read and closed, the bundle of a trace.

    Raises as `trace_json` does, `NotPublishedError` for a `known_at` that is not published yet, `InvalidInputError`
    (`bundle.too_many_events`), and `NotFoundError` (`bundle.no_events`) when the answer rests on no event.
    """
    published = _published(engine)
    known_at = _known_at(engine, reader, published, question.known_at)
    # Names are statements of others than the events behind the answer, and nothing in a bundle would prove them.
    question = question.model_copy(update={"known_at": known_at, "include": question.include - {Include.NAMES}})
    answer = trace_json(engine, reader, question)
    asked = question.model_dump(mode="json")
    for name in ("edge_kinds", "include"):  # sets, which have no order of their own
        asked[name] = sorted(asked[name])
    manifest = Manifest(Kind.TRACE, reader.organisation, asked, known_at, ())
    behind = names_in(answer).positions
    openings = _openings(engine, reader, behind, answer)
    return _bundle(engine, published, manifest, answer=answer, behind=behind, openings=openings)


def events_bundle(
    engine: Engine, reader: Reader, asked: Question, parameters: Parameters, *, extensions: str | None = None
) -> tuple[BinaryIO | None, NextPage | None]:
    """Return, as a file to be read and closed, the bundle of a page of events, and what asks for the next page.

    None is the bundle of a page that is empty and not the only one.
    The document in it is written from what the bundle shows, so it has no personal members, and an event that says no
    eventID gets none. The question is told as it was asked: its `parameters`, and `extensions`, the header that
    declares prefixes. Raises what `ask_page` raises, `NotPublishedError`, and `NotFoundError` (`bundle.no_events`).
    """
    published = _published(engine)
    found = ask_page(engine, reader, asked, known_at=published[-1].last)
    if not found.page.events and (found.next is not None or asked.token is not None):
        return None, found.next
    shown = {event.position: set(event.parts.what) for event in found.page.events}

    def items_of(record: Record) -> Sequence[int]:
        return [j for j, item in enumerate(record.event.parts.what) if item in shown[record.position]]

    openings = dict(zip(sorted(shown), _opened(engine, reader, sorted(shown), items_of), strict=True))
    events = [write_event(openings[place].shown(), openings[place].recorded_at) for place in shown]
    question: dict[str, list[str]] = {}
    for name, value in parameters:
        question.setdefault(name, []).append(value)
    if extensions is not None:
        question["GS1-Extensions"] = [extensions]
    known_at = published[-1].last if found.known_at is None else found.known_at
    manifest = Manifest(Kind.EVENTS, reader.organisation, question, known_at, (), tuple(shown))
    document = write_query_document(events, created_at=engine.clock.now_us())
    made = _bundle(engine, published, manifest, answer=document, behind=shown, openings=openings.values())
    return made, found.next


def evidence_bundle(engine: Engine, reader: Reader, record: Record, base: str) -> BinaryIO:
    """Return, as a file to be read and closed, the bundle of a piece of evidence; raises `NotPublishedError`.

    It opens what the receipt opens. `base` is where this server is.
    """
    published = _published(engine)
    known_at = published[-1].last
    if record.position > known_at:
        raise _not_yet(record.position, known_at)
    answer = describe(engine, record, base).model_dump_json().encode()
    question = {"event_id": str(record.event.event_id)}
    manifest = Manifest(Kind.EVIDENCE, reader.organisation, question, known_at, ())
    behind, openings = [record.position], [opening_of(record)]
    return _bundle(engine, published, manifest, answer=answer, behind=behind, openings=openings)


def pieces(bundle: BinaryIO) -> Iterator[bytes]:
    """Yield what is in the file, then close it."""
    with bundle:
        while piece := bundle.read(_PIECE):
            yield piece


def _published(engine: Engine) -> list[_Published]:
    """Return the ledger's logs in order of position, up to the first that is not published to its end."""
    found: list[_Published] = []
    for log in published_logs(engine) or [published_log(engine)]:
        if (served := log.served()) is not None and served[0].size:
            found.append(_Published(log, *served))
        end = log.database.identity.last_position
        if end is None or end > (found[-1].last if found else 0):
            break
    if not found:
        raise NotPublishedError("nothing of this log is published yet")
    return found


def _known_at(engine: Engine, reader: Reader, published: Sequence[_Published], known_at: int | None) -> int:
    last = published[-1].last
    if known_at is None or known_at <= last:
        return last if known_at is None else known_at
    ask(engine, reader, known_at)  # raises when nothing is recorded there either
    raise _not_yet(known_at, last)


def _not_yet(position: int, last: int) -> NotPublishedError:
    return NotPublishedError(
        f"position {position} is not published yet: the checkpoint covers {last}",
        hint="Ask again in a second, or without a position for all that is published.",
    )


def _bundle(
    engine: Engine,
    published: Sequence[_Published],
    manifest: Manifest,
    *,
    answer: bytes,
    behind: Iterable[int],
    openings: Iterable[Opening],
) -> BinaryIO:
    """Write the bundle of an answer that rests on the events at `behind`; `openings` are theirs, by position."""
    positions = sorted(behind)
    if not positions:
        raise NotFoundError(
            "This answer rests on no event, so there is nothing to prove",
            code="bundle.no_events",
            hint="Ask for it as JSON.",
        )
    if len(positions) > MAX_EVENTS:
        raise InvalidInputError(
            f"The answer rests on {len(positions)} events; a bundle has at most {MAX_EVENTS}",
            code="bundle.too_many_events",
            hint="Ask for less: fewer roots, one direction, a smaller max_depth or max_nodes.",
        )
    inside = [(one, [position for position in positions if one.first <= position <= one.last]) for one in published]
    shares = [_share(one, own) for one, own in inside if own]
    policies = [verifiers_policy(engine.settings, one.log.name, one.log.key) for one, own in inside if own]
    out = cast("BinaryIO", tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115 - closed by whoever reads it
    try:
        with collector.paused():
            write_bundle(
                out,
                replace(manifest, logs=tuple(share.log for share in shares)),
                answer,
                policy=replace(policies[0], logs=tuple(log for policy in policies for log in policy.logs)),
                shares=shares,
                openings=openings,
            )
        out.seek(0)
    except BaseException:
        out.close()
        raise
    return out


def _share(one: _Published, positions: Sequence[int]) -> LogShare:
    return LogShare(
        BundledLog(one.log.key, one.first),
        one.checkpoint,
        one.note.encode(),
        tile_reader(one.log.tiles),
        [position - one.first for position in positions],
    )


def _openings(engine: Engine, reader: Reader, behind: Collection[int], answer: bytes) -> Iterator[Opening]:
    """Open events, and of their items those that the answer names."""
    named = strings_in(answer)

    def items_of(record: Record) -> Sequence[int]:
        what = record.event.parts.what
        ids = [_read_item(item).id for item in what]
        asked = {identifier for identifier in ids if identifier in named or thing_of(identifier) in named}
        return open_item_indices(what, frozenset({ITEM}), asked)

    return _opened(engine, reader, sorted(behind), items_of)


def _opened(
    engine: Engine, reader: Reader, positions: Sequence[int], items_of: Callable[[Record], Sequence[int]]
) -> Iterator[Opening]:
    """Open what the reader may see and pass on of events in order of position: never a personal part."""
    for start in range(0, len(positions), _AT_ONCE):
        batch = positions[start : start + _AT_ONCE]
        records = engine.ledger.records(batch)
        if len(records) != len(batch):
            raise DamagedLogError("the ledger lacks records that an answer rests on")
        for record in records:
            extent = reader.extent(engine.rules.indexer(record.event.parts).visibility)
            if extent is None:
                raise DamagedLogError("an answer rests on an event that its reader may not see")
            items = items_of(record) if extent & {"what", ITEM} else ()
            yield open_record(record, extent & SHAREABLE_PARTS, items)
