"""Whether the process is alive, and whether it may be sent requests."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from api.readiness import unreadiness
from api.security import EngineDep

router = APIRouter(tags=["health"])


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


@router.get("/readyz", summary="May the server be sent requests?", responses={503: {"model": Readiness}})
def readyz(engine: EngineDep, response: Response) -> Readiness:
    """Look at the database: reached, migrated, with a role that can only add, with room for the next events."""
    reasons = [Reason(code=code, detail=detail) for code, detail in unreadiness(engine)]
    if reasons:
        response.status_code = 503
    return Readiness(ready=not reasons, reasons=reasons)
