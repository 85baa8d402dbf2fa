"""Operations that record events are refused while publishing is too far behind (`api.backlog`)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from api.backlog import Backlog
from traceability.errors import UnavailableError


def keep_up(request: Request) -> None:
    """Raise `UnavailableError` (`log.behind`) while publishing is too far behind for more to be recorded."""
    backlog: Backlog = request.app.state.backlog
    if backlog.too_long:
        raise UnavailableError(
            "Publishing is behind recording, and nothing more is taken until it has caught up",
            code="log.behind",
            hint="Send the same again later.",
        )


KeepingUp = Annotated[None, Depends(keep_up)]
"""A parameter of every operation that records events."""
