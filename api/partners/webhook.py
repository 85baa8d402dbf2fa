"""What a partner's repository posts: its signature is checked with the source's token before anything of it is read."""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from typing import Final
from uuid import UUID

import psycopg

from adapters.postgres.partners import PostgresPartners
from adapters.postgres.sealed import partner_place
from api.capture.receive import admit
from api.partners.capturing import as_document, hand_over, plain
from api.partners.fresh import Fresh, fresh
from api.partners.reading import partners_of
from api.wiring import Engine
from traceability.errors import InvalidInputError, NotFoundError
from traceability.gs1.epcis.subscriptions.signature import SignatureError, check_signature, check_untimed_signature
from traceability.ledger.capture import CaptureJob
from traceability.ledger.partners import Kind, Partner
from traceability.ledger.sealed import Sealed

_NAME: Final = "delivery"


def receive(engine: Engine, name: str, body: bytes, *, signature: str, media_type: str) -> CaptureJob | None:
    """Take a delivery and return its capture job, None when it holds nothing that is new.

    The same body again is the job that it made the first time. Raises `SignatureError`, for a name that is none as
    well, and `BusyError` while too much of the organisation's waits to be captured.
    """
    partners = partners_of(engine)
    partner = _verified(engine, partners, name, body, signature)
    request_key = f"partner {partner.name} {sha256(body).hexdigest()}"
    if (earlier := engine.jobs.requested(partner.organisation, request_key)) is not None:
        return earlier
    admit(engine, partner.organisation)
    document = as_document(engine, partner, *plain(engine, partner, body, media_type))
    new = fresh(engine, partner.organisation, document)
    count = partial(_count, partners, partner, new)
    return hand_over(engine, partner, new.document, _NAME, count, held=False, request_key=request_key)


def _verified(engine: Engine, partners: PostgresPartners, name: str, body: bytes, signature: str) -> Partner:
    partner, sealed = _webhook(partners, name)
    # A name that is none is answered as a wrong signature is: who our partners are is nobody's business.
    token = engine.entropy.token(32).hex() if sealed is None else engine.secrets.open(sealed, partner_place(name))
    try:
        if signature.startswith("t="):
            check_signature(signature, body, token, now_us=engine.clock.now_us())
        else:
            check_untimed_signature(signature, body, token)
    except SignatureError as error:
        if partner is not None:
            partners.refuse(name, error.code, error.message)
        raise
    assert partner is not None, "nobody has signed with a token that was made here"
    return partner


def _webhook(partners: PostgresPartners, name: str) -> tuple[Partner | None, Sealed | None]:
    try:
        partner, _ = partners.get(name)
        if partner.kind is Kind.WEBHOOK:
            return partner, partners.secret(name)
    except (NotFoundError, InvalidInputError):
        pass
    return None, None


def _count(
    partners: PostgresPartners, partner: Partner, new: Fresh, connection: psycopg.Connection, _: UUID | None
) -> None:
    partners.deliver(connection, partner.name, received=new.events, known=new.known)
