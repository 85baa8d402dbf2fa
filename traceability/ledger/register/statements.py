"""What the register says, one event a statement: it holds from `since` until before `until`.

Every statement is about a *subject* (a licence, a prefix, a rule); of those about one subject the one that began last
holds, and of those with one beginning the one that was stated last. To end, to renew, to correct and to withdraw
something is therefore to state it again.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from typing import Annotated, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    field_validator,
    model_validator,
)

from traceability.errors import InvalidInputError
from traceability.ledger.access import is_organisation_name
from traceability.ledger.event import PARTY_PREFIX, DecisionPayload, LedgerEvent, microseconds, utc_text

FIRST_INSTANT: Final = microseconds("0001-01-01T00:00:00Z")
LAST_INSTANT: Final = microseconds("9999-12-31T23:59:59.999999Z")
REGISTRAR: Final = "registrar"
"""The role, given by the operator, whose holder may say what is in the register."""

PREFIXES: Final = "register:prefixes"
REGISTRARS: Final = "register:registrars"
RULES: Final = "register:rules"
FOR_ALL: Final = (PREFIXES, REGISTRARS, RULES)
"""The tags of what concerns everybody; it is never hidden."""

Subject = tuple[str, ...]
"""What a statement is about: a word for its kind, and names."""

_ED25519: Final = "Ed25519"
_ED25519_BYTES: Final = 32


def _read_instant(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return microseconds(value)
    except TypeError as error:
        raise ValueError("a time has its offset") from error


def _organisation(name: str) -> str:
    if not is_organisation_name(name):
        raise ValueError("the permanent name of an organisation")
    return name


Instant = Annotated[
    int,
    BeforeValidator(_read_instant),
    Field(ge=FIRST_INSTANT, le=LAST_INSTANT),
    PlainSerializer(utc_text, return_type=str),
]
"""Microseconds UTC; in JSON a time with an offset."""

OrganisationName = Annotated[str, AfterValidator(_organisation)]
Text = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
Action = Annotated[str, Field(max_length=200, pattern=r"^([a-z][a-z0-9_]*|[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f]+)$")]
"""A word such as `ship`, or a URI."""
Word = Annotated[str, Field(max_length=100, pattern=r"^[a-z][a-z0-9_.-]*$")]


def organisation_tag(name: str) -> str:
    """Return the tag of the statements about an organisation."""
    return f"register:organisation/{name}"


class RegisterStatement(DecisionPayload):
    """What every statement has: from when until when it holds (µs UTC), `until` None while nobody knows."""

    since: Instant
    until: Instant | None = None

    @model_validator(mode="after")
    def _until_a_later_time(self) -> Self:
        if self.until is not None and self.until < self.since:
            raise ValueError("until is not before since; what is the same holds at no time")
        return self

    @property
    def subject(self) -> Subject:
        """Return what it is about: a later statement about the same takes its place."""
        raise NotImplementedError

    @property
    def about(self) -> tuple[str, ...]:
        """Return the organisations that it is about."""
        raise NotImplementedError

    def holds_at(self, at: int) -> bool:
        """Tell whether it is said of an instant (µs UTC)."""
        return self.since <= at and (self.until is None or at < self.until)

    def event(self, *, captured_by: str, stated_at: int, hidden: bool = False) -> LedgerEvent:
        """Return the event in which an organisation says so at a time (µs UTC).

        A hidden one is seen by whom it is about, any other by everybody. Raises `InvalidInputError`
        (`register.public`) for one that concerns everybody.
        """
        tags = [f"org:{captured_by}", *self.tags]
        if hidden:
            if not {*tags}.isdisjoint(FOR_ALL):
                raise InvalidInputError("This concerns everybody and cannot be hidden", code="register.public")
            tags += [f"{PARTY_PREFIX}{name}" for name in self.about]
        return self.to_event(captured_by=captured_by, occurred_at=stated_at, tags=tags)

    @property
    def tags(self) -> tuple[str, ...]:
        """Return the tags by which it is found (docs/guide/tags.md)."""
        return tuple(map(organisation_tag, self.about))


class AboutOrganisation(RegisterStatement):
    """A statement about one organisation, by its permanent name."""

    organisation: OrganisationName

    @property
    def about(self) -> tuple[str, ...]:
        """Return the organisations that it is about."""
        return (self.organisation,)


class OfficialIdentifier(BaseModel):
    """A number under which authorities know a business: `scheme` is a word such as `uscc`, `lei`, `vat` or `gln`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    scheme: Word
    value: Text


class OrganisationRegistered(AboutOrganisation):
    """A business is known to a register office under a legal name; from `until` on it is struck off.

    `contact` is a person, or how to reach one, and goes when the event is erased.
    """

    type_name: ClassVar[str] = "register.organisation_registered.v1"
    personal_members: ClassVar[frozenset[str]] = frozenset({"contact"})
    legal_name: Text
    identifiers: tuple[OfficialIdentifier, ...] = Field(default=(), max_length=50)
    office: Text | None = None
    contact: Text | None = None

    @property
    def subject(self) -> Subject:
        """Return what it is about."""
        return ("organisation", self.organisation)


class AboutLicence(AboutOrganisation):
    """A statement about a licence or approval, known by its kind and number."""

    kind: Word
    number: Text

    @property
    def licence(self) -> tuple[str, str, str]:
        """Return whose licence it is, of what kind, and its number."""
        return self.organisation, self.kind, self.number


class LicenceGranted(AboutLicence):
    """`issuer` allows what `actions` say, all for which the kind is needed where they are empty; expires at `until`.

    `evidence` is the SHA-256 (lower-case hex) of the document.
    """

    type_name: ClassVar[str] = "register.licence_granted.v1"
    issuer: Text
    actions: tuple[Action, ...] = Field(default=(), max_length=200)
    evidence: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @property
    def subject(self) -> Subject:
        """Return what it is about."""
        return ("licence", *self.licence)


class LicenceSuspended(AboutLicence):
    """A licence allows nothing, until it is reinstated."""

    type_name: ClassVar[str] = "register.licence_suspended.v1"
    reason: Text

    @property
    def subject(self) -> Subject:
        """Return what it is about."""
        return ("suspension", *self.licence)


class LicenceReinstated(AboutLicence):
    """A suspended licence allows again what it allowed."""

    type_name: ClassVar[str] = "register.licence_reinstated.v1"
    reason: Text | None = None

    @property
    def subject(self) -> Subject:
        """Return what it is about: it takes the place of the suspension."""
        return ("suspension", *self.licence)


class LicenceRevoked(AboutLicence):
    """A licence allows nothing any more, whatever is granted under its number later."""

    type_name: ClassVar[str] = "register.licence_revoked.v1"
    reason: Text

    @property
    def subject(self) -> Subject:
        """Return what it is about."""
        return ("revocation", *self.licence)


class PrefixHeld(AboutOrganisation):
    """A GS1 company prefix is licensed to an organisation: 4 to 12 digits, without indicator digit (GS1 §1.4.4)."""

    type_name: ClassVar[str] = "register.prefix_held.v1"
    prefix: Annotated[str, Field(pattern=r"^[0-9]{4,12}$")]

    @property
    def subject(self) -> Subject:
        """Return what it is about: one organisation at a time holds a prefix."""
        return ("prefix", self.prefix)

    @property
    def tags(self) -> tuple[str, ...]:
        """Return the tags by which it is found."""
        return (*super().tags, PREFIXES, f"register:prefix/{self.prefix}")


class PartnerAuthorised(AboutOrganisation):
    """An organisation trades with `partner`, for these actions; for all where they are empty."""

    type_name: ClassVar[str] = "register.partner_authorised.v1"
    partner: OrganisationName
    actions: tuple[Action, ...] = Field(default=(), max_length=200)

    @property
    def subject(self) -> Subject:
        """Return what it is about."""
        return ("partner", self.organisation, self.partner)

    @property
    def about(self) -> tuple[str, ...]:
        """Return the organisations that it is about."""
        return (self.organisation, self.partner)


class KeyBound(AboutOrganisation):
    """What is signed with the other half of this public key, an organisation has signed: base64, of Ed25519 32 bytes.

    `algorithm` is the name of the key's kind in the IANA registry for COSE or JOSE.
    """

    type_name: ClassVar[str] = "register.key_bound.v1"
    algorithm: Annotated[str, Field(max_length=50, pattern=r"^[A-Za-z0-9-]+$")] = _ED25519
    public_key: Annotated[str, Field(max_length=4_000)]

    @field_validator("public_key")
    @classmethod
    def _is_base64(cls, text: str) -> str:
        try:
            b64decode(text, validate=True)
        except (NotBase64, ValueError) as error:
            raise ValueError("a public key in base64") from error
        return text

    @model_validator(mode="after")
    def _has_its_length(self) -> Self:
        if self.algorithm == _ED25519 and len(b64decode(self.public_key)) != _ED25519_BYTES:
            raise ValueError("a public key of Ed25519 has 32 bytes")
        return self

    @property
    def subject(self) -> Subject:
        """Return what it is about."""
        return ("key", self.organisation, self.algorithm, self.public_key)


class RoleGiven(AboutOrganisation):
    """An organisation has a role in this ledger; that of `REGISTRAR` the operator alone gives."""

    type_name: ClassVar[str] = "register.role_given.v1"
    role: Word

    @property
    def subject(self) -> Subject:
        """Return what it is about."""
        return ("role", self.organisation, self.role)

    @property
    def tags(self) -> tuple[str, ...]:
        """Return the tags by which it is found."""
        return (*super().tags, REGISTRARS) if self.role == REGISTRAR else super().tags


class RuleSet(RegisterStatement):
    """Who does `action` needs a licence of one of these kinds, and one of these roles, where there are any.

    With `partner` the other side has to be an authorised trading partner.
    """

    type_name: ClassVar[str] = "register.rule_set.v1"
    action: Action
    licences: tuple[Word, ...] = Field(default=(), max_length=100)
    roles: tuple[Word, ...] = Field(default=(), max_length=100)
    partner: bool = False

    @property
    def subject(self) -> Subject:
        """Return what it is about."""
        return ("rule", self.action)

    @property
    def about(self) -> tuple[str, ...]:
        """Return nobody: it is for all."""
        return ()

    @property
    def tags(self) -> tuple[str, ...]:
        """Return the tags by which it is found."""
        return (RULES, f"register:action/{self.action}")


STATEMENTS: Final[dict[str, type[RegisterStatement]]] = {
    kind.type_name: kind
    for kind in (
        OrganisationRegistered,
        LicenceGranted,
        LicenceSuspended,
        LicenceReinstated,
        LicenceRevoked,
        PrefixHeld,
        PartnerAuthorised,
        KeyBound,
        RoleGiven,
        RuleSet,
    )
}
"""Every kind of statement by its type name."""
