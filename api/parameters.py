"""Parameters of an address that nobody reads: an error, as an unknown member of a body is."""

from __future__ import annotations

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError


def only_declared(request: Request) -> None:
    """Refuse parameters that the route does not declare, and a second value of one.

    For `dependencies` of a router. A misspelt `as_of` would be answered with what holds now. Raises
    `RequestValidationError` (422 `http.validation`, with a pointer to each).
    """
    given = [name for name, _ in request.query_params.multi_items()]
    declared = _declared(request.scope["route"].dependant)
    wrong = {
        name: "Field required once" if name in declared else "Extra inputs are not permitted"
        for name in given
        if name not in declared or given.count(name) > 1
    }
    if wrong:
        raise RequestValidationError(
            [{"type": "extra_forbidden", "loc": ("query", name), "msg": message} for name, message in wrong.items()]
        )


def _declared(dependant: Dependant) -> set[str]:
    found = {parameter.alias for parameter in dependant.query_params}
    return found.union(*map(_declared, dependant.dependencies))
