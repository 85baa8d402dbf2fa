"""Organisations, their keys and what they open to others. Everything here needs a key with the scope `admin`.

An admin key acts for its own organisation. Adding organisations, and acting for another one, is for the operator's:
whoever could give itself a GLN could read the events that name it.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from api.security import AdminDep, EngineDep, require_operator
from api.steps import business_step
from traceability.errors import ForbiddenError, NotFoundError
from traceability.ledger.access import GRANTABLE_PARTS, Grant
from traceability.ledger.event import utc_text
from traceability.ledger.organisations import ApiKey, Organisation, Scope

router = APIRouter(prefix="/organisations", tags=["organisations"])

_PARTS: Final = ", ".join(sorted(GRANTABLE_PARTS))


class OrganisationIn(BaseModel):
    """An organisation to add; the name is permanent."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=63, examples=["dairy.example"])
    display_name: str | None = Field(default=None, min_length=1, max_length=200, examples=["Alpine Dairy"])
    glns: list[Annotated[str, Field(max_length=200)]] = Field(default=[], max_length=1000, examples=[["9521234000006"]])
    domain: str | None = Field(default=None, max_length=253, examples=["dairy.example"])


class OrganisationOut(BaseModel):
    """An organisation."""

    name: str
    display_name: str
    glns: list[str]
    domain: str | None
    created_at: str = Field(examples=["2026-03-01T08:15:00.000000Z"])


class KeyIn(BaseModel):
    """What a new key is for."""

    model_config = ConfigDict(extra="forbid")
    scopes: list[Scope] = Field(min_length=1, max_length=3, examples=[["query"]])


class KeyOut(BaseModel):
    """A key without its secret."""

    key_id: str
    scopes: list[Scope]
    created_at: str
    revoked_at: str | None


class NewKeyOut(KeyOut):
    """A new key; `key` is shown this once."""

    key: str


class GrantIn(BaseModel):
    """What to open; no parts: the head alone. `steps` null: every event."""

    model_config = ConfigDict(extra="forbid")
    parts: list[str] = Field(max_length=10, description=f"Of {_PARTS}.", examples=[["item", "where"]])
    steps: list[Annotated[str, Field(max_length=200)]] | None = Field(
        default=None, max_length=100, description="CBV business steps.", examples=[["shipping", "receiving"]]
    )


class GrantOut(GrantIn):
    """What is open to `grantee`; `public` is everybody."""

    grantee: str


def administered(caller: AdminDep, engine: EngineDep, organisation: Annotated[str, Path(max_length=63)]) -> str:
    """Return the name in the path when the caller may administer it.

    Refused before it is looked up: the answer must not tell which organisations there are.
    """
    if caller.organisation not in (organisation, engine.settings.operator):
        raise ForbiddenError("This key is for another organisation", code="access.other_organisation")
    return organisation


def operator(caller: AdminDep, engine: EngineDep) -> None:
    """Refuse everyone but the operator."""
    require_operator(caller, engine, "do")


AdministeredDep = Annotated[str, Depends(administered)]


@router.get("", summary="List the organisations", dependencies=[Depends(operator)])
def list_organisations(engine: EngineDep) -> list[OrganisationOut]:
    """Give every organisation of the ledger, by name."""
    return [_organisation(found) for found in engine.organisations.all()]


@router.post("", summary="Add an organisation", status_code=201, dependencies=[Depends(operator)])
def add_organisation(body: OrganisationIn, engine: EngineDep) -> OrganisationOut:
    """Add an organisation with its GLNs and its domain."""
    added = engine.organisations.add(body.name, display_name=body.display_name, glns=body.glns, domain=body.domain)
    return _organisation(added)


@router.get("/{organisation}", summary="Show an organisation")
def show_organisation(organisation: AdministeredDep, engine: EngineDep) -> OrganisationOut:
    """Give an organisation with its identifiers."""
    return _organisation(engine.organisations.get(organisation))


@router.get("/{organisation}/keys", summary="List an organisation's keys")
def list_keys(organisation: AdministeredDep, engine: EngineDep) -> list[KeyOut]:
    """Give every key, revoked ones too, without the secrets."""
    return [KeyOut.model_validate(_key(key)) for key in engine.organisations.keys(organisation)]


@router.post("/{organisation}/keys", summary="Create a key", status_code=201)
def create_key(organisation: AdministeredDep, body: KeyIn, engine: EngineDep) -> NewKeyOut:
    """Create a key; its text is in this answer and nowhere else."""
    key, text = engine.organisations.create_key(organisation, body.scopes)
    return NewKeyOut.model_validate({**_key(key), "key": text})


@router.delete("/{organisation}/keys/{key_id}", summary="Revoke a key")
def revoke_key(organisation: AdministeredDep, key_id: str, engine: EngineDep) -> KeyOut:
    """End a key at once, for good."""
    return KeyOut.model_validate(_key(engine.organisations.revoke_key(organisation, key_id)))


@router.get("/{organisation}/grants", summary="List what an organisation opens to others")
def list_grants(organisation: AdministeredDep, engine: EngineDep) -> list[GrantOut]:
    """Give the grants in force; the one to `public` is the public profile."""
    return [_grant(grant) for grant in engine.organisations.grants_by(organisation)]


@router.put("/{organisation}/grants/{grantee}", summary="Open parts of events to an organisation or to `public`")
def set_grant(organisation: AdministeredDep, grantee: str, body: GrantIn, engine: EngineDep) -> GrantOut:
    """Open what the body says, in place of what was open to this grantee before."""
    steps = None if body.steps is None else frozenset(map(business_step, body.steps))
    grant = Grant(organisation, grantee, steps, frozenset(body.parts))
    engine.organisations.set_grant(grant)
    return _grant(grant)


@router.delete("/{organisation}/grants/{grantee}", summary="Close what is open to an organisation", status_code=204)
def end_grant(organisation: AdministeredDep, grantee: str, engine: EngineDep) -> Response:
    """Close it; what was read before stays read."""
    if not engine.organisations.end_grant(organisation, grantee):
        raise NotFoundError("Nothing is granted to this organisation", code="access.no_such_grant")
    return Response(status_code=204)


def _organisation(found: Organisation) -> OrganisationOut:
    return OrganisationOut(
        name=found.name,
        display_name=found.display_name,
        glns=list(found.glns),
        domain=found.domain,
        created_at=utc_text(found.created_at),
    )


def _key(key: ApiKey) -> dict[str, object]:
    return {
        "key_id": key.key_id,
        "scopes": sorted(key.scopes),
        "created_at": utc_text(key.created_at),
        "revoked_at": None if key.revoked_at is None else utc_text(key.revoked_at),
    }


def _grant(grant: Grant) -> GrantOut:
    steps = None if grant.steps is None else sorted(grant.steps)
    return GrantOut(grantee=grant.grantee, parts=sorted(grant.parts), steps=steps)
