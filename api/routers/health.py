"""Whether the process is alive, whether it may be sent requests, and what its operator watches."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from api.integrator import Integrator
from api.metrics import MEDIA_TYPE, metrics
from api.readiness import unreadiness
from api.security import EngineDep, QueryDep, require_operator

router = APIRouter(tags=["health"])


def operator_reads(caller: QueryDep, engine: EngineDep) -> None:
    """Refuse everyone but the operator: how much goes on is no business of others."""
    require_operator(caller, engine, "see")


class Health(BaseModel):
    """The process answers."""

    status: Annotated[str, Field(examples=["ok"])] = "ok"


class Reason(BaseModel):
    """One thing that has to change before the server may be used."""

    code: str = Field(examples=["ready.privileges"])
    detail: str


class Readiness(BaseModel):
    """Whether requests may come, and if not, why."""

    ready: bool
    reasons: list[Reason] = []


@router.get("/healthz", summary="Is the process alive?")
def healthz() -> Health:
    """Touch nothing: a process whose database is away need not be restarted."""
    return Health()


@router.get(
    "/metrics",
    summary="What an operator watches",
    response_class=PlainTextResponse,
    dependencies=[Depends(operator_reads)],
)
def show_metrics(engine: EngineDep) -> Response:
    """Give gauges in the text format of Prometheus, for a key of the operator: how far everything is, and what fails.

    docs/guide/metrics.md lists them.
    """
    return Response(metrics(engine), media_type=MEDIA_TYPE)


@router.get("/readyz", summary="May the server be sent requests?", responses={503: {"model": Readiness}})
def readyz(engine: EngineDep, request: Request, response: Response) -> Readiness:
    """Look at the database (reached, migrated, with a role that can only add, with room) and at the log."""
    reasons = [Reason(code=code, detail=detail) for code, detail in unreadiness(engine)]
    integrator: Integrator | None = getattr(request.app.state, "integrator", None)
    if integrator is not None and (problem := integrator.problem) is not None:
        # Its message may name hosts, roles and folders: it is for the log lines, not for whoever asks.
        reasons.append(Reason(code="ready.log", detail=f"The log does not grow ({problem.code})."))
    if reasons:
        response.status_code = 503
    return Readiness(ready=not reasons, reasons=reasons)
