"""Adding a partner: what is said about it, checked, and its secret, which is kept and never shown again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from adapters.outgoing import check_url
from adapters.postgres.sealed import partner_place
from api.partners.reading import partners_of
from api.wiring import Engine
from traceability.errors import InvalidInputError
from traceability.gs1.epcis.csv_mapping import read_mapping
from traceability.ledger.partners import OVERLAP_US, Accept, Kind, Partner, partner_name

_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)").fullmatch
_TOKEN: Final = re.compile(r"[\x21-\x7e]{16,1024}").fullmatch
_TOKEN_BYTES: Final = 32
_OURS: Final = frozenset({"host", "accept", "accept-encoding", "content-length", "connection", "transfer-encoding"})
MAX_MAPPING: Final = 1 << 16


def define(
    engine: Engine,
    name: str,
    organisation: str,
    kind: Kind,
    *,
    address: str = "",
    secret: str | None = None,
    accept: Accept = Accept.JSON,
    overlap_us: int = OVERLAP_US,
    mapping: str | None = None,
) -> tuple[Partner, str | None]:
    """Add a partner; return it and, for a webhook, the token with which its deliveries are signed.

    `secret` is a header, `Name: value`, that is sent to a repository, or a webhook's token, which is made if it is
    None. Raises `InvalidInputError` (`partner.name`, `partner.address`, `partner.secret`, `outgoing.address`,
    `csv.mapping`), `NotFoundError` for an organisation that is none, `ConflictError` (`partner.exists`).
    """
    partner_name(name)
    engine.organisations.get(organisation)
    if mapping is not None:
        if len(mapping) > MAX_MAPPING:
            raise InvalidInputError(f"A mapping has at most {MAX_MAPPING} characters", code="csv.mapping")
        read_mapping(mapping)
    if (kind is Kind.WEBHOOK) != (not address):
        raise InvalidInputError(
            "A webhook has no address of its own, and every other partner has one",
            code="partner.address",
            hint="Give --url to a repository, --path to a folder, and neither to a webhook.",
        )
    header: str | None = None
    match kind:
        case Kind.EPCIS:
            check_url(address)
            header, secret = _header(secret)
        case Kind.FOLDER:
            if secret is not None:
                raise InvalidInputError("A folder needs no secret", code="partner.secret")
            address = str(Path(address).absolute())
        case Kind.WEBHOOK:
            secret = engine.entropy.token(_TOKEN_BYTES).hex() if secret is None else secret.strip()
            if _TOKEN(secret) is None:
                raise InvalidInputError("A token has 16 to 1024 printable characters", code="partner.secret")
    partner = Partner(name, organisation, kind, address, engine.clock.now_us(), accept, overlap_us, mapping, header)
    kept = None if secret is None else engine.secrets.seal(secret, partner_place(name))
    partners_of(engine).add(partner, kept)
    return partner, secret if kind is Kind.WEBHOOK else None


def _header(text: str | None) -> tuple[str | None, str | None]:
    if text is None:
        return None, None
    read = _HEADER(text.strip())
    if read is None or read[1].lower() in _OURS:
        raise InvalidInputError(
            "The secret of a repository is one header",
            code="partner.secret",
            hint="Such as: Authorization: Bearer trace_…",
        )
    return read[1], read[2]
