"""The web application: routers, limits, headers, errors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from api import reference
from api.backlog import Backlog
from api.commands import LONGEST_BODY
from api.epcis_headers import event_limits
from api.log_names import LogNames
from api.middleware import BodyLimits, RequestLog, SecurityHeaders
from api.problems import documented_problems, install_problems
from api.routers import (
    aircraft_parts,
    capture,
    clocks,
    cold_chain,
    commands,
    dead_letters,
    drug_packages,
    epcis_collections,
    epcis_discovery,
    epcis_events,
    epcis_queries,
    epcis_socket,
    epcis_subscriptions,
    erasures,
    evidence,
    findings,
    health,
    logs,
    lots,
    monitoring,
    organisations,
    partners,
    provenance,
    recall_subscriptions,
    recalls,
    register,
    shipments,
    subscriptions,
    vocabularies,
)
from api.web import evidence_page, finding_pages, irregularity_pages, partner_pages, sign_in, subscription_pages
from api.web.routes import install_pages
from api.wiring import Engine
from traceability.supply_chain.commands.table import COMMANDS

_DESCRIPTION: Final = (
    "Supply-chain events on an append-only ledger whose order is a Merkle log. Without a key a request is the"
    " organisation `public`; with `Authorization: Bearer <key>` it is the key's organisation. Every error is problem"
    " details (RFC 9457) with a stable `code`."
)


def create_app(engine: Engine) -> FastAPI:
    """Return the application over an open engine, which the caller closes after the last request."""
    app = FastAPI(
        title="traceability",
        version=version("traceability"),
        description=_DESCRIPTION,
        docs_url=None,  # FastAPI's pages load their scripts from a CDN
        redoc_url=None,
        redirect_slashes=False,
        responses=documented_problems(),
    )
    app.state.engine = engine
    app.state.backlog = Backlog(engine)
    app.state.log_names = LogNames(engine)
    app.state.sockets = epcis_socket.Sockets()
    install_problems(app)
    # The last one added is the outermost.
    settings = engine.settings
    app.add_middleware(
        BodyLimits,
        max_bytes=settings.max_body_bytes,
        max_depth=settings.max_body_depth,
        streamed=[capture.PATH, evidence.PATH],
        longer={f"{commands.PATH}/{name}": LONGEST_BODY for name in COMMANDS},
        told={epcis_events.PATH: event_limits(settings)},
    )
    app.add_middleware(RequestLog, entropy=engine.entropy)
    app.add_middleware(SecurityHeaders, https=settings.public_url is not None)

    app.router.routes.extend(_routes())
    install_pages(app)
    return app


@cache
def _routes() -> Sequence[BaseRoute]:
    """Return the routes of all applications of this process: FastAPI takes a third of a second to put them together."""
    every = APIRouter(redirect_slashes=False, responses=documented_problems())
    every.include_router(health.router)
    every.include_router(organisations.router)
    every.include_router(register.router)
    every.include_router(recall_subscriptions.router)
    every.include_router(recalls.router)
    every.include_router(aircraft_parts.router)
    every.include_router(drug_packages.router)
    every.include_router(monitoring.router)
    every.include_router(clocks.router)
    every.include_router(shipments.router)
    every.include_router(lots.router)
    every.include_router(cold_chain.router)
    every.include_router(partner_pages.router)
    every.include_router(partners.router)
    every.include_router(logs.router)
    every.include_router(provenance.router)
    every.include_router(erasures.router)
    every.include_router(capture.router)
    every.include_router(commands.router)
    every.include_router(evidence.router)
    every.include_router(evidence_page.router)
    every.include_router(sign_in.router)
    every.include_router(finding_pages.router)
    every.include_router(irregularity_pages.router)
    every.include_router(findings.router)
    epcis = (
        epcis_discovery.router,
        epcis_events.router,
        epcis_collections.router,
        epcis_queries.router,
        epcis_subscriptions.router,
    )
    for router in epcis:
        every.include_router(router)
    every.include_router(epcis_discovery.discovery(capture.router, *epcis))
    every.include_router(epcis_socket.router)
    every.include_router(subscriptions.router)
    every.include_router(subscription_pages.router)
    every.include_router(dead_letters.router)
    every.include_router(vocabularies.router)
    every.include_router(reference.router)
    return tuple(every.routes)
