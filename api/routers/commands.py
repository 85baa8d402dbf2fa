"""Commands over HTTP: one operation each, all made from the table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError

from api.commands import Done, perform, request_of
from api.keeping_up import KeepingUp
from api.published import Wait, own_receipt, proof_of
from api.receipts import Proof, receipt_address
from api.routers.capture import IdempotencyKey
from api.schemas import schema_of
from api.security import CaptureDep, EngineDep
from api.wiring import Engine
from traceability.supply_chain.commands.body import Command
from traceability.supply_chain.commands.refusal import Rule
from traceability.supply_chain.commands.table import COMMANDS

PATH: Final = "/commands"
_MOST_TOLD: Final = 100  # of what is wrong with a body

router = APIRouter(prefix=PATH, tags=["commands"])


class DoneOut(BaseModel):
    """What a command recorded: one event, its position, its names and its receipt (C2SP tlog-proof)."""

    command: str = Field(examples=["pack"])
    position: int
    event_id: UUID = Field(description="Ours, not EPCIS's eventID.")
    their_event_id: str | None = Field(
        serialization_alias="eventID", examples=["urn:uuid:019ca877-0c1b-7000-8000-000000000001"]
    )
    name: str | None = Field(description="Of a proposal or hold: what answers to it name.")
    receipt: str = Field(examples=["/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt"])
    proof: Proof = None


def _endpoint(command: type[Command]) -> Callable[..., Awaitable[DoneOut]]:
    async def endpoint(
        *,
        request: Request,
        response: Response,
        engine: EngineDep,
        caller: CaptureDep,
        _: KeepingUp,
        key: IdempotencyKey = None,
        wait: Wait = None,
    ) -> DoneOut:
        body = await request.body()
        done = await run_in_threadpool(_perform, engine, caller.organisation, command, body, key)
        response.headers["Location"] = receipt = receipt_address(done.record_id)
        prove = partial(own_receipt, engine, done.position, caller.organisation)
        return DoneOut(
            command=command.name,
            position=done.position,
            event_id=done.record_id,
            their_event_id=done.event_id,
            name=done.name,
            receipt=receipt,
            proof=await proof_of(engine, request, wait, done.position, prove),
        )

    return endpoint


def _perform(engine: Engine, organisation: str, command: type[Command], body: bytes, key: str | None) -> Done:
    # Here and not by FastAPI, which would read a hundred thousand identifiers in the event loop.
    try:
        said = command.read(body)
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False, include_context=False)[:_MOST_TOLD]
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in told]) from error
    return perform(engine, organisation, said, request=request_of(organisation, key, command, body))


def _body_of(command: type[Command]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(command)}}}}


def _described(command: type[Command]) -> str:
    rules = ", ".join(f"`{Rule(rule).value}`" for rule in command.rules)
    return (
        f"{command.__doc__}\n\nRecords {command.emits}. Refused with 409 `command.refused` and the broken `rules`, of"
        f" {rules}. With `wait=published` the answer has the receipt."
    )


for _command in COMMANDS.values():
    router.add_api_route(
        f"/{_command.name}",
        _endpoint(_command),
        methods=["POST"],
        status_code=201,
        summary=(_command.__doc__ or "").partition("\n")[0].partition(":")[0].rstrip("."),
        description=_described(_command),
        operation_id=f"command_{_command.name}",
        openapi_extra=_body_of(_command),
    )
