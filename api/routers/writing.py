"""What writes of cases have in common: who writes, the key that makes one safe to repeat, whether to wait for proof."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeVar

from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.keeping_up import KeepingUp
from api.once import Recorded, request_for
from api.published import Wait, own_receipt, proof_of
from api.routers.capture import IdempotencyKey
from api.security import CaptureDep, EngineDep

_Done = TypeVar("_Done", bound=Recorded)


class CaseWriting:
    """A write on its way, for the organisation of its key."""

    def __init__(
        self,
        *,
        request: Request,
        response: Response,
        engine: EngineDep,
        caller: CaptureDep,
        _: KeepingUp,
        key: IdempotencyKey = None,
        wait: Wait = None,
    ) -> None:
        self._engine = engine
        self._organisation = caller.organisation
        self._request = request
        self._response = response
        self._key = key
        self._wait = wait

    async def carry_out(
        self, action: str, address: Callable[[_Done], str], write: Callable[..., _Done], *given: object
    ) -> _Done:
        """Call `write(engine, organisation, *given, request=…)`, once for all requests of the same key.

        `action` tells writes of one body apart, `address` is where what was written is seen.
        """
        same = request_for(self._organisation, self._key, action, await self._request.body())
        done = await run_in_threadpool(write, self._engine, self._organisation, *given, request=same)
        self._response.headers["Location"] = address(done)
        prove = partial(own_receipt, self._engine, done.position, self._organisation)
        proof = await proof_of(self._engine, self._request, self._wait, done.position, prove)
        return done.model_copy(update={"proof": proof})


Writing = Annotated[CaseWriting, Depends()]
