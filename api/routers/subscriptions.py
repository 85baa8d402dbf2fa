"""All subscriptions of an organisation, whatever their queries; a browser gets a page of them."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api.routers.epcis_subscriptions import SubscriptionOut
from api.security import EngineDep, QueryDep
from api.subscriptions.manage import described
from api.web.negotiation import wants_page
from api.web.sign_in import SUBSCRIPTIONS, VARY, VisitorDep, page_for
from api.web.subscription_pages import subscriptions_page

router = APIRouter(prefix="/subscriptions", tags=["subscriptions"])


@router.get("", summary="Your subscriptions", response_model=list[SubscriptionOut], response_model_exclude_none=True)
def list_subscriptions(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    caller: QueryDep,
    visitor: VisitorDep,
    after: Annotated[UUID | None, Query(description="The id of the last one of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> list[SubscriptionOut] | Response:
    """Return your organisation's subscriptions to all of its queries, the oldest first."""
    if wants_page(request.headers.get("accept")):
        return page_for(request, visitor, SUBSCRIPTIONS, partial(subscriptions_page, engine, after, limit))
    response.headers["Vary"] = VARY
    found = engine.subscriptions.page(caller.organisation, after=after, limit=limit)
    return [SubscriptionOut.model_validate(one) for one in described(engine, found)]
