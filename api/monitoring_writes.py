"""What is said in monitoring sessions, checked by the fold that reads it and recorded as events, each request once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from adapters.postgres.event_requests import EventRequest
from api.cold_chain import degrees, rounded
from api.monitoring import Watched, calibration_for, follow_up, named, watched
from api.monitoring_models import (
    CalibrationDone,
    CertifyIn,
    DispositionIn,
    EvaluateIn,
    OpenIn,
    SealIn,
    SessionDone,
)
from api.once import Drafted, append_drafted, new_name, unchanged
from api.provenance import microseconds_of
from api.receipts import receipt_address
from api.wiring import Engine
from traceability.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from traceability.supply_chain.cold_chain.calibration import Calibration, Certificate, Status
from traceability.supply_chain.cold_chain.course import Course
from traceability.supply_chain.cold_chain.evaluating import MODEL, MODEL_VERSION, Code
from traceability.supply_chain.cold_chain.events import (
    INSTRUMENT,
    MOST_EVENTS,
    CalibrationCertified,
    Said,
    SessionDispositioned,
    SessionEvaluated,
    SessionOpened,
    SessionPayload,
    SessionSealed,
    said_of,
)
from traceability.supply_chain.cold_chain.profile import PROFILES
from traceability.supply_chain.cold_chain.session import MEANINGS, ClaimReason, claim_reason

_AHEAD_US: Final = 60_000_000  # clocks differ a little
_Saying = Callable[[Watched], SessionPayload]
"""An event, and the tags of what it rests on."""

_UNFIT: Final = {
    Status.MISSING: "The device has no certificate of calibration of that time.",
    Status.EXPIRED: "The calibration of the device had expired.",
    Status.OUT_OF_TOLERANCE: "The device was found out of tolerance.",
    Status.IN_DOUBT: "The device was found out of tolerance the next time.",
}


def certify(
    engine: Engine, organisation: str, body: CertifyIn, *, request: EventRequest | None = None
) -> CalibrationDone:
    """Record a certificate of calibration.

    Raises `IdentifierError`, and `InvalidInputError` (`monitoring.time`) for one that is issued before the calibration
    or after now.
    """
    calibrated, issued = microseconds_of(body.calibrated_at), _past(engine, body.issued_at)
    if calibrated > issued:
        raise InvalidInputError("A certificate is issued after the calibration", code="monitoring.time")
    certified = CalibrationCertified(
        device=named(body.device),
        certificate=body.certificate,
        issuer=body.issuer,
        calibrated_at=calibrated,
        result=body.result,
        valid_until=None if body.valid_until is None else microseconds_of(body.valid_until),
        accuracy_class=body.accuracy_class,
        interval_days=body.interval_days,
        max_permissible_error=body.max_permissible_error,
        standards=tuple(body.standards),
        evidence=body.evidence,
    )
    reader, others = engine.organisations.reader(organisation), set(body.shown_to) - {organisation}

    def draft(head: int) -> Drafted:
        known = calibration_for(engine, reader, certified.device, {organisation}, head)
        # Behind what it corrects, which a certificate says to be of the same day.
        corrected = [one.said.occurred_at + 1 for one in known.certificates if _is_same(one, certified, organisation)]
        at = max([issued, *corrected])
        event = certified.event(captured_by=organisation, occurred_at=at, to=others)
        return [event], unchanged([INSTRUMENT + certified.device], head)

    return _certified(engine, organisation, append_drafted(engine, draft, request))


def _is_same(one: Certificate, certified: CalibrationCertified, organisation: str) -> bool:
    return one.said.said_by == organisation and one.terms.certificate == certified.certificate


def open_session(
    engine: Engine, organisation: str, body: OpenIn, *, request: EventRequest | None = None
) -> SessionDone:
    """Open a session with a device that is in calibration then.

    Raises `IdentifierError`, `NotFoundError` (`cold_chain.profile`), `InvalidInputError` (`monitoring.time`), and
    `ConflictError`: `monitoring.calibration_missing`, `monitoring.calibration_expired`,
    `monitoring.calibration_out_of_tolerance`, `monitoring.calibration_in_doubt`.
    """
    profile = body.limits or PROFILES.get(body.profile or "")
    if profile is None:
        raise NotFoundError(
            "There is no such profile", code="cold_chain.profile", hint=f"Choose from: {', '.join(PROFILES)}."
        )
    began, device = _past(engine, body.opened_at), named(body.device)
    things = tuple(sorted({named(thing) for thing in body.things}))
    quality = body.quality or organisation
    reader = engine.organisations.reader(organisation)

    def draft(head: int) -> Drafted:
        certificate = _fit(calibration_for(engine, reader, device, {organisation, quality}, head), began)
        valid_until = certificate.terms.valid_until
        assert valid_until is not None
        opened = SessionOpened(
            session=new_name(engine),
            device=device,
            things=things,
            profile=profile,
            gap_after_minutes=body.gap_after_minutes,
            quality=quality,
            told_by=tuple(sorted(set(body.told_by) - {organisation})),
            certificate=certificate.terms.certificate,
            valid_until=valid_until,
            note=body.note,
        )
        event = opened.event(captured_by=organisation, occurred_at=began, to={quality} - {organisation})
        return [event], unchanged([INSTRUMENT + device], head)

    return _done(engine, organisation, append_drafted(engine, draft, request))


def seal(
    engine: Engine, organisation: str, session: str, body: SealIn, *, request: EventRequest | None = None
) -> SessionDone:
    """Fix which events the readings of a session are.

    Raises `NotFoundError` (`monitoring.unknown`), `ForbiddenError` (`monitoring.not_a_side`), `ConflictError`
    (`monitoring.sealed_before`, `monitoring.no_such_time`), and `InvalidInputError`: `monitoring.time`,
    `monitoring.too_many_events`.
    """
    until = _past(engine, body.until)

    def saying(found: Watched) -> SessionPayload:
        told = found.series.told_before(until)
        positions = sorted({one.position for one in told})
        if len(positions) > MOST_EVENTS:
            raise InvalidInputError(
                f"The readings of a session are {MOST_EVENTS} events at most",
                code="monitoring.too_many_events",
                hint="End it earlier, and watch the things in several sessions.",
            )
        digest = found.digest(positions)
        assert digest is not None
        return SessionSealed(
            session=session,
            until=until,
            positions=tuple(positions),
            readings=len(told),
            digest=digest,
        )

    return _say(engine, organisation, session, saying, request)


def evaluate(
    engine: Engine, organisation: str, session: str, body: EvaluateIn, *, request: EventRequest | None = None
) -> SessionDone:
    """Record how the sealed readings are judged; raises as `seal` does (`monitoring.not_sealed`, `monitoring.over`)."""
    del body  # it says nothing

    def saying(found: Watched) -> SessionPayload:
        judged, profile = found.evaluation(), found.session.about.profile
        codes = (one.code for one in judged.findings if one.code is not Code.VERDICT_CHANGED)
        return SessionEvaluated(
            session=session,
            verdict=judged.verdict,
            profile=profile.name,
            profile_version=profile.version,
            model=MODEL,
            model_version=MODEL_VERSION,
            readings=len(found.series.counting),
            findings=tuple(codes),
            **_temperatures(judged.course),
        )

    return _say(engine, organisation, session, saying, request)


def disposition(
    engine: Engine, organisation: str, session: str, body: DispositionIn, *, request: EventRequest | None = None
) -> SessionDone:
    """Record what quality assurance decides; the answer names the command that does it to the things.

    Raises as `seal` does: `ForbiddenError` (`monitoring.not_its_quality`, `monitoring.not_authorised`) and
    `ConflictError` (`monitoring.not_evaluated`, `monitoring.over`).
    """
    said = SessionDispositioned(session=session, disposition=body.disposition, reason=body.reason)
    return _say(engine, organisation, session, lambda _: said, request)


def _say(engine: Engine, organisation: str, session: str, saying: _Saying, request: EventRequest | None) -> SessionDone:
    """Record what is said in a session, unless the fold would take it for a mere claim."""
    reader = engine.organisations.reader(organisation)

    def draft(head: int) -> Drafted:
        found = watched(engine, reader, session, head)
        # Behind what it follows, whatever the clock of whoever said that.
        now = max(engine.clock.now_us(), max(one.occurred_at for one in found.session.said) + 1)
        payload = saying(found)
        event = payload.event(captured_by=organisation, occurred_at=now, to=found.session.sides - {organisation})
        said = said_of(event.parts, head + 1, UUID(int=0), now)
        assert said is not None
        if (reason := claim_reason(found.session.said, said, engine.parties(reader, head))) is not None:
            raise _refused(reason)
        # A seal and a verdict rest on what the device told and on its certificates, a decision on neither.
        resting = [] if isinstance(payload, SessionDispositioned) else [f"device:{found.session.about.device}"]
        return [event], unchanged([f"case:{session}", *resting], head)

    return _done(engine, organisation, append_drafted(engine, draft, request))


def _refused(reason: ClaimReason) -> ConflictError | ForbiddenError:
    forbidden = reason in (ClaimReason.NOT_A_SIDE, ClaimReason.NOT_ITS_QUALITY, ClaimReason.NOT_AUTHORISED)
    kind: type[ConflictError | ForbiddenError] = ForbiddenError if forbidden else ConflictError
    return kind(MEANINGS[reason].sentence, code=f"monitoring.{reason}", hint=MEANINGS[reason].remedy)


def _fit(calibration: Calibration, at: int) -> Certificate:
    status, covering = calibration.at(at), calibration.covering(at)
    if status is Status.VALID and covering is not None:
        return covering
    raise ConflictError(
        _UNFIT[status],
        code=f"monitoring.calibration_{status}",
        hint="Take another device, or record its certificate first: traceability monitoring certify",
    )


def _past(engine: Engine, time: datetime | None) -> int:
    now = engine.clock.now_us()
    at = now if time is None else microseconds_of(time)
    if not 0 <= at <= now + _AHEAD_US:
        raise InvalidInputError(
            "This was between 1970 and now", code="monitoring.time", hint="Give a time of the past."
        )
    return at


def _temperatures(course: Course | None) -> dict[str, Decimal | None]:
    if course is None:
        return {}
    return {
        "lowest": degrees(course.lowest),
        "highest": degrees(course.highest),
        "mean_kinetic_temperature": None if course.kinetic is None else rounded(course.kinetic),
        "worst_window": None if course.worst is None else rounded(course.worst.kinetic),
    }


def _recorded(engine: Engine, position: int) -> Said:
    (record,) = engine.ledger.records([position])
    event = record.event
    assert event.event_id is not None
    assert event.recorded_at is not None
    said = said_of(event.parts, position, event.event_id, event.recorded_at)
    assert said is not None
    return said


def _done(engine: Engine, organisation: str, position: int) -> SessionDone:
    said = _recorded(engine, position)
    assert isinstance(said.payload, SessionPayload)
    session = said.payload.session
    found = watched(engine, engine.organisations.reader(organisation), session, position)
    one = found.session
    return SessionDone(
        session=session,
        stage=one.stage(found.at, found.series.last),
        verdict=None if one.evaluation is None else one.evaluation.verdict,
        disposition=one.disposition,
        follow_up=follow_up(one),
        position=position,
        event_id=said.event_id,
        receipt=receipt_address(said.event_id),
    )


def _certified(engine: Engine, organisation: str, position: int) -> CalibrationDone:
    said = _recorded(engine, position)
    assert isinstance(said.payload, CalibrationCertified)
    reader, device = engine.organisations.reader(organisation), said.payload.device
    return CalibrationDone(
        device=device,
        certificate=said.payload.certificate,
        status=calibration_for(engine, reader, device, {organisation}, position).at(engine.clock.now_us()),
        position=position,
        event_id=said.event_id,
        receipt=receipt_address(said.event_id),
    )
