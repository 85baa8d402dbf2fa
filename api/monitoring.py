"""Monitoring sessions and the calibration of devices, as HTTP, the command line and pages show them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Final, NamedTuple

from adapters.postgres.decisions import records_under
from api.codes import read_code
from api.cold_chain import CitedReading, course_out
from api.monitoring_models import (
    EvaluationOut,
    FindingOut,
    FollowUpOut,
    SealOut,
    SessionLine,
    SessionOut,
    SessionSaidOut,
)
from api.receipts import receipt_address
from api.told import events_under, said_to
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.ledger.access import Reader
from traceability.ledger.event import utc_text
from traceability.ledger.store import Record
from traceability.supply_chain.cold_chain.calibration import (
    Calibration,
    certificates_that_count,
)
from traceability.supply_chain.cold_chain.evaluating import SENTENCES, Evaluation, Finding, evaluate
from traceability.supply_chain.cold_chain.events import (
    INSTRUMENT,
    MONITORED,
    SESSIONS,
    Disposition,
    Said,
    SessionOpened,
    SessionPayload,
    said_of,
)
from traceability.supply_chain.cold_chain.series import Series, series_of
from traceability.supply_chain.cold_chain.session import ClaimReason, Session, session_of
from traceability.supply_chain.cold_chain.temperatures import STANDING
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import SeenEvent
from traceability.supply_chain.things import thing_of

PATH: Final = "/cold-chain/sessions"
MOST_LISTED: Final = 100


class Watched(NamedTuple):
    """A session with its readings and its device, as a reader sees them at a time (µs UTC) and position.

    `records` are the events that name the device, by position.
    """

    session: Session
    series: Series
    calibration: Calibration
    records: Mapping[int, Record]
    at: int
    known_at: int

    def evaluation(self) -> Evaluation:
        """Judge what is known."""
        return evaluate(self.session, self.series, self.calibration, self.at)

    def digest(self, positions: Collection[int]) -> str | None:
        """Return the digest of a seal over these events; None when the reader does not see all of them."""
        if not self.records.keys() >= set(positions):
            return None
        return sha256(b"".join(self.records[position].leaf_hash for position in sorted(positions))).hexdigest()


class Asking(NamedTuple):
    """Who asks, as of a time and as known at a position."""

    engine: Engine
    reader: Reader
    known_at: int
    as_of: int | None

    def under(self, tags: Collection[str]) -> list[Record]:
        """Return the events under one of these tags that the reader may see."""
        if not tags:
            return []
        visible = self.engine.visibility.allowed(self.reader)
        return records_under(self.engine.ledger, tags, visible, self.known_at)

    def said(self, *tags: str) -> list[Said]:
        """Return what is said under these tags."""
        found = (said_to(self.engine, self.reader, record, said_of) for record in self.under(tags))
        return [one for one in found if one is not None and (self.as_of is None or one.occurred_at <= self.as_of)]

    def said_in_session(self, session: str) -> list[Said]:
        """Return what is said in a session."""
        found = self.said(f"case:{session}")
        return [one for one in found if isinstance(one.payload, SessionPayload) and one.payload.session == session]

    def telling(self, device: str) -> tuple[list[SeenEvent], dict[int, Record]]:
        """Return the events that name a device, and those that take some of them back."""
        events, records = events_under(self.engine, self.reader, [f"device:{device}"], self.known_at)
        events = [event for event in events if self.as_of is None or event.occurred_at <= self.as_of]
        seen = {event.position for event in events}
        return events, {record.position: record for record in records if record.position in seen}

    def parties(self) -> Parties:
        """Return what the register says, as far as the reader may see."""
        return self.engine.parties(self.reader, self.known_at)

    def at(self) -> int:
        """Return the instant that is asked about."""
        return self.engine.clock.now_us() if self.as_of is None else self.as_of


def watched(engine: Engine, reader: Reader, session: str, known_at: int, as_of: int | None = None) -> Watched:
    """Return a session as a reader sees it; raises `NotFoundError` (`monitoring.unknown`)."""
    asking = Asking(engine, reader, known_at, as_of)
    parties = asking.parties()
    found = session_of(asking.said_in_session(session), parties)
    if found is None:
        raise NotFoundError(
            "There is no such monitoring session", code="monitoring.unknown", hint="Or none that you may see."
        )
    events, records = asking.telling(found.about.device)
    certificates = asking.said(f"{INSTRUMENT}{found.about.device}")
    calibration = Calibration(certificates_that_count(certificates, found.sides, parties))
    return Watched(found, series_of(found, events), calibration, records, asking.at(), known_at)


def calibration_for(
    engine: Engine, reader: Reader, device: str, organisations: Collection[str], known_at: int
) -> Calibration:
    """Return the certificates of a device that count for these organisations, as far as a reader sees them."""
    asking = Asking(engine, reader, known_at, None)
    return Calibration(certificates_that_count(asking.said(f"{INSTRUMENT}{device}"), organisations, asking.parties()))


def read_session(
    engine: Engine, reader: Reader, session: str, *, as_of: int | None = None, known_at: int | None = None
) -> Watched:
    """Return a session as of a time (µs UTC) and as known at a position; raises as `watched` does."""
    head = engine.ledger.head()
    return watched(engine, reader, session, head if known_at is None else min(known_at, head), as_of)


def describe_session(
    engine: Engine, reader: Reader, session: str, *, as_of: int | None = None, known_at: int | None = None
) -> SessionOut:
    """Tell a session, judged by what is known; raises `NotFoundError` (`monitoring.unknown`)."""
    return describe_watched(read_session(engine, reader, session, as_of=as_of, known_at=known_at))


def describe_watched(found: Watched) -> SessionOut:
    """Tell a session that was read."""
    one, series, judged = found.session, found.series, found.evaluation()
    ids = {record.position: _cited(record) for record in found.records.values()}
    told = [_said_out(said) for said in one.said] + [_said_out(claim.said, claim.reason) for claim in one.claims]
    course = None
    if judged.course is not None:
        standing = [reading for reading in series.counting if reading.component in STANDING]
        names = {position: cited.event_id for position, cited in ids.items()}
        course = course_out(one.about.device, judged.course, standing, judged.extremes, names)
    return SessionOut(
        **_line(one, series.last, found.at).model_dump(),
        as_of=utc_text(found.at),
        known_at=found.known_at,
        limits=one.about.profile,
        gap_after_minutes=one.about.gap_after_minutes,
        told_by=list(one.about.told_by),
        certificate=one.about.certificate,
        calibration=found.calibration.at(one.since),
        readings=len(series.counting),
        repeated=len(series.repeated),
        found=judged.verdict,
        findings=[_finding_out(finding, ids) for finding in judged.findings],
        course=course,
        seal=_seal_out(found),
        evaluation=_evaluation_out(one),
        follow_up=follow_up(one),
        said=told,
    )


def list_sessions(
    engine: Engine,
    reader: Reader,
    *,
    device: str | None = None,
    thing: str | None = None,
    before: int | None = None,
    limit: int = MOST_LISTED,
) -> tuple[list[SessionLine], int | None]:
    """Return sessions, the last opened first, and the position before which the next page begins.

    Raises `IdentifierError`.
    """
    head = engine.ledger.head()
    tag, wanted = SESSIONS, None if device is None else named(device)
    if thing is not None:
        tag = f"{MONITORED}{named(thing)}"
    elif wanted is not None:
        tag = f"{INSTRUMENT}{wanted}"
    until = head if before is None else min(head, before - 1)
    said = reversed(Asking(engine, reader, until, None).said(tag))
    begun = [
        (one.position, one.payload.session)
        for one in said
        if isinstance(one.payload, SessionOpened) and wanted in (None, one.payload.device)
    ]
    asking = Asking(engine, reader, head, None)
    lines = [line for position, session in begun[:limit] if (line := listed(asking, session, position)) is not None]
    return lines, begun[limit - 1][0] if len(begun) > limit else None


def follow_up(one: Session) -> FollowUpOut | None:
    """Return the command that does to the things what was decided; None where nothing is to be done."""
    if one.decision is None:
        return None
    things, hold, reason = list(one.about.things), one.about.session, one.decision.reason
    match one.decision.disposition:
        case Disposition.QUARANTINE:
            body = {"things": things, "hold": hold, "kind": "quality", "reason": reason}
            return FollowUpOut(command="place_hold", body=body)
        case Disposition.DESTROY:
            return FollowUpOut(command="destroy", body={"things": things})
        case Disposition.RELEASE if one.was_quarantined:
            return FollowUpOut(command="release_hold", body={"things": things, "hold": hold, "reason": reason})
    return None


def named(code: str) -> str:
    """Return the name of a device or thing as events have it; raises `IdentifierError`."""
    return thing_of(read_code(code).uri)


def listed(asking: Asking, session: str, position: int) -> SessionLine | None:
    """Return the line of a session that was opened at a position; None when another opening of it counts."""
    found = session_of(asking.said_in_session(session), asking.parties())
    if found is None or found.opened.position != position:
        return None
    # Only of one that goes on its readings are looked at: they tell whether there is a gap.
    events = [] if found.seal is not None else asking.telling(found.about.device)[0]
    return _line(found, series_of(found, events).last, asking.at())


def _line(one: Session, last: int | None, at: int) -> SessionLine:
    return SessionLine(
        session=one.about.session,
        stage=one.stage(at, last),
        verdict=None if one.evaluation is None else one.evaluation.verdict,
        disposition=one.disposition,
        device=one.about.device,
        things=list(one.about.things),
        profile=one.about.profile.name,
        opened_by=one.opened.said_by,
        quality=one.about.quality,
        opened_at=utc_text(one.since),
        until=None if one.seal is None else utc_text(one.seal.until),
    )


def _cited(record: Record) -> CitedReading:
    name = record.event.event_id
    assert name is not None
    return CitedReading(position=record.position, event_id=name, receipt=receipt_address(name))


def _finding_out(one: Finding, ids: Mapping[int, CitedReading]) -> FindingOut:
    return FindingOut(
        code=one.code,
        sentence=SENTENCES[one.code],
        times=one.times,
        since=time_of(one.since),
        until=time_of(one.until),
        events=[ids[position] for position in one.positions if position in ids],
    )


def _seal_out(found: Watched) -> SealOut | None:
    seal = found.session.seal
    if seal is None:
        return None
    digest = found.digest(seal.positions)
    return SealOut(
        until=utc_text(seal.until),
        positions=list(seal.positions),
        readings=seal.readings,
        digest=seal.digest,
        holds=None if digest is None else digest == seal.digest,
    )


def _evaluation_out(one: Session) -> EvaluationOut | None:
    if one.evaluation is None or one.evaluated is None:
        return None
    return EvaluationOut(
        verdict=one.evaluation.verdict,
        profile=one.evaluation.profile,
        profile_version=one.evaluation.profile_version,
        model=one.evaluation.model,
        model_version=one.evaluation.model_version,
        findings=list(one.evaluation.findings),
        by=one.evaluated.said_by,
        at=utc_text(one.evaluated.occurred_at),
    )


def _said_out(said: Said, claim: ClaimReason | None = None) -> SessionSaidOut:
    return SessionSaidOut(
        type=said.payload.type_name.split(".")[1].removeprefix("monitoring_session_"),
        said=said.payload.model_dump(mode="json", exclude_none=True, exclude={"session"}),
        said_by=said.said_by,
        said_at=utc_text(said.occurred_at),
        recorded_at=utc_text(said.recorded_at),
        position=said.position,
        event_id=said.event_id,
        receipt=receipt_address(said.event_id),
        claim=claim,
    )


def time_of(at: int | None) -> str | None:
    """Write a time as answers have it."""
    return None if at is None else utc_text(at)
