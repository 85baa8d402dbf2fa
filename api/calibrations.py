"""The calibration of devices as HTTP and the command line show it."""

from __future__ import annotations

from collections.abc import Iterable

from api.monitoring import Asking, listed, named, time_of
from api.monitoring_models import CertificateOut, DeviceOut, DoubtOut
from api.receipts import receipt_address
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.ledger.access import Reader
from traceability.ledger.event import utc_text
from traceability.supply_chain.cold_chain.calibration import (
    Calibration,
    Certificate,
    Doubt,
    certificates_that_count,
)
from traceability.supply_chain.cold_chain.events import INSTRUMENT, CalibrationCertified, SessionOpened
from traceability.supply_chain.cold_chain.session import Session, session_of


def describe_device(
    engine: Engine, reader: Reader, device: str, *, as_of: int | None = None, known_at: int | None = None
) -> DeviceOut:
    """Tell the calibration of a device, and for each time in doubt the sessions that it was used in.

    Raises `IdentifierError`, and `NotFoundError` (`monitoring.unknown_device`).
    """
    head = engine.ledger.head()
    asking = Asking(engine, reader, head if known_at is None else min(known_at, head), as_of)
    name = named(device)
    said = asking.said(f"{INSTRUMENT}{name}")
    certified = [one for one in said if isinstance(one.payload, CalibrationCertified)]
    if not certified:
        raise NotFoundError(
            "No certificate of this device is known", code="monitoring.unknown_device", hint="Or none that you may see."
        )
    count = certificates_that_count(certified, {one.said_by for one in certified}, asking.parties())
    calibration = Calibration(count)
    counting = {one.said.position for one in calibration.certificates}
    opened = {one.payload.session for one in said if isinstance(one.payload, SessionOpened)}
    used = [one for session in sorted(opened) if (one := session_of(asking.said_in_session(session), asking.parties()))]
    shown = (Certificate(one, one.payload) for one in certified if isinstance(one.payload, CalibrationCertified))
    return DeviceOut(
        device=name,
        as_of=utc_text(asking.at()),
        known_at=asking.known_at,
        status=calibration.at(asking.at()),
        certificates=[_certificate_out(one, counts=one.said.position in counting) for one in shown],
        doubts=[_doubt_out(asking, doubt, used) for doubt in calibration.doubts()],
    )


def _certificate_out(one: Certificate, *, counts: bool) -> CertificateOut:
    terms, said = one.terms, one.said
    return CertificateOut(
        certificate=terms.certificate,
        issuer=terms.issuer,
        result=terms.result,
        calibrated_at=utc_text(terms.calibrated_at),
        valid_until=time_of(terms.valid_until),
        accuracy_class=terms.accuracy_class,
        interval_days=terms.interval_days,
        max_permissible_error=terms.max_permissible_error,
        standards=list(terms.standards),
        evidence=terms.evidence,
        said_by=said.said_by,
        counts=counts,
        position=said.position,
        event_id=said.event_id,
        receipt=receipt_address(said.event_id),
    )


def _doubt_out(asking: Asking, doubt: Doubt, used: Iterable[Session]) -> DoubtOut:
    payload = doubt.found_by.payload
    assert isinstance(payload, CalibrationCertified)
    hit = [one for one in used if one.since < doubt.until and (doubt.since is None or one.until > doubt.since)]
    lines = (listed(asking, one.about.session, one.opened.position) for one in hit)
    return DoubtOut(
        since=time_of(doubt.since),
        until=utc_text(doubt.until),
        certificate=payload.certificate,
        sessions=[line for line in lines if line is not None],
    )
