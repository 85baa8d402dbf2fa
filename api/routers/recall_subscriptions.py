"""Webhooks for what an organisation is told in recall cases: notices, acknowledgements, and that a case is over."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from api.recall_webhooks import TOLD_IN_RECALLS
from api.recalls import PATH
from api.routers.epcis_subscriptions import FailingOut
from api.security import EngineDep, QueryDep
from api.subscriptions.manage import MOST, described, id_of
from api.subscriptions.recalls import follow_recalls

router: Final = APIRouter(prefix=f"{PATH}/subscriptions", tags=["recalls"])


class WebhookIn(BaseModel):
    """Where to post what you are told."""

    model_config = ConfigDict(extra="forbid")
    dest: str = Field(max_length=2_048, examples=["https://client.example/recalls"])
    signatureToken: str | None = Field(  # noqa: N815
        default=None, max_length=1_024, description="Signs what is posted; no answer shows it."
    )


class WebhookOut(BaseModel):
    """A webhook, and why nothing arrives at the moment, if that is so."""

    subscription_id: str
    dest: str
    created_at: str
    last_notified_at: str | None
    failing: FailingOut | None


Subscription = Annotated[str, Path(alias="subscription_id", max_length=100)]


@router.post("", summary="Have posted what you are told in recalls", status_code=201)
def subscribe_to_recalls(engine: EngineDep, caller: QueryDep, response: Response, body: WebhookIn) -> WebhookOut:
    """Post each notice to you, each answer to a notice of yours, and that a case is over, as it is recorded.

    It is signed, tried again and given up as the events of a subscription are (docs/guide/subscriptions.md).
    """
    (made,) = described(engine, [follow_recalls(engine, caller.organisation, body.dest, body.signatureToken)])
    response.headers["Location"] = f"{PATH}/subscriptions/{made['subscriptionID']}"
    return _out(made)


@router.get("", summary="List your webhooks for recalls")
def recall_subscriptions(engine: EngineDep, caller: QueryDep) -> list[WebhookOut]:
    """Give them, the oldest first."""
    found = engine.subscriptions.page(caller.organisation, TOLD_IN_RECALLS, limit=MOST)
    return [_out(one) for one in described(engine, found)]


@router.get("/{subscription_id}", summary="Show a webhook for recalls")
def recall_subscription(engine: EngineDep, caller: QueryDep, subscription_id: Subscription) -> WebhookOut:
    """Tell when something was last delivered, and why not since."""
    found = engine.subscriptions.get(caller.organisation, TOLD_IN_RECALLS, id_of(subscription_id))
    return _out(*described(engine, [found]))


@router.delete("/{subscription_id}", summary="End a webhook for recalls", status_code=204)
def end_recall_subscription(engine: EngineDep, caller: QueryDep, subscription_id: Subscription) -> None:
    """End it, and forget what it could not deliver. What is under way may still arrive."""
    engine.subscriptions.drop(caller.organisation, TOLD_IN_RECALLS, id_of(subscription_id))


def _out(told: dict[str, object]) -> WebhookOut:
    names = {"subscription_id": "subscriptionID", "dest": "dest", "created_at": "createdAt"}
    members = {name: told[theirs] for name, theirs in names.items()}
    return WebhookOut.model_validate(
        {**members, "last_notified_at": told.get("lastNotifiedAt"), "failing": told.get("failing")}
    )
