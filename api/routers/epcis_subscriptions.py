"""Subscriptions to named queries (EPCIS 2.0 §12.8): an organisation's events, posted to where it says."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from api.epcis_events import only_paging
from api.epcis_headers import MIN_RECORD_TIME, EpcFormat
from api.named_queries import PATH
from api.routers.epcis_answers import PAGED, PAGING, BodyDep, EventsWishDep, JsonWishDep, answer_headers, link_headers
from api.security import EngineDep, QueryDep
from api.subscriptions.manage import described, listed, subscribe, subscription_of, unsubscribe
from api.web.negotiation import JSON
from traceability.gs1.epcis.strict_json import dumps

router = APIRouter(prefix="/epcis", tags=["epcis"])

QueryName = Annotated[str, Path(alias="queryName")]
SubscriptionId = Annotated[str, Path(alias="subscriptionID")]
_ONE: Final = "/queries/{queryName}/subscriptions/{subscriptionID}"
ONE: Final = f"{router.prefix}{_ONE}"
"""The path of a subscription."""


class SubscriptionIn(BaseModel):
    """What is asked for: `stream` or `schedule`, and where to."""

    dest: str = Field(examples=["https://client.example/events"])
    signatureToken: str | None = Field(default=None, description="Signs what is posted; no answer shows it.")  # noqa: N815
    stream: bool | None = Field(default=None, examples=[True])
    schedule: dict[str, str] | None = Field(default=None, examples=[None])
    reportIfEmpty: bool = False  # noqa: N815
    initialRecordTime: str | None = Field(default=None, examples=[None])  # noqa: N815


class FailingOut(BaseModel):
    """Why nothing arrives at the moment."""

    since: str
    attempts: int
    reason: str
    nextAttemptAt: str  # noqa: N815


class SubscriptionOut(BaseModel):
    """A subscription; its signatureToken is never shown."""

    subscriptionID: str  # noqa: N815
    queryName: str  # noqa: N815
    dest: str
    createdAt: str  # noqa: N815
    minRecordTime: str = Field(description="The least recordTime that an event to come may have.")  # noqa: N815
    epcFormat: EpcFormat  # noqa: N815
    stream: bool | None = None
    schedule: dict[str, str] | None = None
    reportIfEmpty: bool  # noqa: N815
    initialRecordTime: str | None = None  # noqa: N815
    lastNotifiedAt: str | None = None  # noqa: N815
    nextReportAt: str | None = None  # noqa: N815
    format: dict[str, str] | None = Field(
        default=None,
        description="The headers that said in which form events are delivered; none: JSON with Digital Links.",
        examples=[{"Accept": "application/xml", "GS1-EPC-Format": "Always_EPC_URN"}],
    )
    failing: FailingOut | None = None


_WANTED: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {JSON: {"schema": SubscriptionIn.model_json_schema()}}}
}


@router.post(
    "/queries/{queryName}/subscriptions",
    summary="Subscribe to a named query",
    status_code=201,
    response_class=Response,
    responses={201: {"model": SubscriptionOut, "description": "The subscription; `Location` is its address"}},
    openapi_extra=_WANTED,
)
def subscribe_to(
    engine: EngineDep,
    caller: QueryDep,
    wish: EventsWishDep,
    body: BodyDep,
    name: Annotated[str, Path(alias="queryName")],
) -> Response:
    """Have the events of a query posted: each as it is recorded, or all new ones at the times of a schedule.

    They are delivered in the form that the headers of this request wish for, as answers to queries are. The answer to
    it is in JSON whatever they say.
    """
    made = subscribe(engine, caller.organisation, name, body, wish)
    headers = {**answer_headers(), "Location": f"{PATH}/{made.query_name}/subscriptions/{made.subscription_id}"}
    (told,) = described(engine, [made])
    return Response(dumps(told), status_code=201, media_type=JSON, headers=headers)


@router.get(
    "/queries/{queryName}/subscriptions",
    summary="The subscriptions to a named query",
    response_class=Response,
    responses={200: {"model": list[SubscriptionOut], "description": "The subscriptions", "headers": PAGED}},
    openapi_extra={"parameters": PAGING},
)
def subscriptions(
    engine: EngineDep,
    caller: QueryDep,
    request: Request,
    wish: JsonWishDep,
    name: Annotated[str, Path(alias="queryName")],
) -> Response:
    """Return a query's subscriptions, the oldest first."""
    size, token = only_paging(request.query_params.multi_items())
    page = listed(engine, caller.organisation, name, size=size, token=token)
    headers = answer_headers() | link_headers(engine, request, page.next)
    body = dumps(described(engine, page.subscriptions))
    return Response(body, media_type=wish.media_type, headers=headers)


@router.get(
    _ONE,
    summary="One subscription",
    response_class=Response,
    responses={200: {"model": SubscriptionOut, "description": "The subscription"}},
)
def subscription(
    engine: EngineDep, caller: QueryDep, wish: JsonWishDep, name: QueryName, subscription_id: SubscriptionId
) -> Response:
    """Return a subscription: when it was last delivered, and why not since."""
    found = subscription_of(engine, caller.organisation, name, subscription_id)
    (told,) = described(engine, [found])
    headers = {**answer_headers(), MIN_RECORD_TIME: told["minRecordTime"]}
    return Response(dumps(told), media_type=wish.media_type, headers=headers)


@router.delete(_ONE, summary="Unsubscribe", status_code=204)
def end_subscription(engine: EngineDep, caller: QueryDep, name: QueryName, subscription_id: SubscriptionId) -> None:
    """End a subscription, and forget what it could not deliver. What is under way may still arrive."""
    unsubscribe(engine, caller.organisation, name, subscription_id)
