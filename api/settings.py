"""Every setting, its name in the environment, its default, and the values that are refused."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.outgoing.allowed import Allowed
from api.validation import sentence
from traceability.errors import InvalidInputError
from traceability.ledger.access import organisation_name
from traceability.ledger.organisations import LOCAL

PREFIX = "TRACEABILITY_"
LOG_NAME = r"^[a-z0-9][a-z0-9.-]{0,62}$"
"""Of ledgers and of logs, whose first has the ledger's name."""
ORIGIN = r"^[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~-]+)*$"


def _checked_name(text: str) -> str:
    try:
        return organisation_name(text)
    except InvalidInputError as error:
        raise ValueError(error.message) from error


def _checked_allowed(text: str) -> str:
    try:
        Allowed.parse(text)
    except InvalidInputError as error:
        raise ValueError(error.message) from error
    return text


_Allowed = Annotated[str, AfterValidator(_checked_allowed)]
_LedgerName = Annotated[str, Field(pattern=LOG_NAME)]
_OrganisationName = Annotated[str, AfterValidator(_checked_name)]


class Settings(BaseSettings):
    """Read from `TRACEABILITY_<NAME>`; an option of the command line wins over the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, hide_input_in_errors=True)

    database_url: SecretStr | None = Field(
        default=None, description="PostgreSQL as the runtime role, which may add and read; unset: a private server."
    )
    database_owner_url: SecretStr | None = Field(
        default=None, description="The same database as the role that owns the tables: migrate, erase, reindex."
    )
    data: Path = Field(default=Path(".traceability"), description="Folder of the private server, log keys and tiles.")
    log_key: Path | None = Field(
        default=None,
        description="File of the first log's signing key, beside which later ones lie; unset: in the data folder.",
    )
    log_key_passphrase: SecretStr | None = Field(
        default=None, description="Passphrase of encrypted key files; with it, new ones are encrypted."
    )
    log_signing_key: SecretStr | None = Field(
        default=None, description="The signing keys themselves, `PRIVATE+KEY+…`, separated by spaces; before any file."
    )
    log_origin: str | None = Field(
        default=None,
        pattern=ORIGIN,
        description="Name of a new log and its key, fixed for ever: a host and a path of yours, no scheme.",
    )
    log_ml_dsa: bool = Field(
        default=False, description="Also sign checkpoints with ML-DSA-44, which quantum computers cannot forge."
    )
    secrets_key: SecretStr | None = Field(
        default=None,
        description="Keys (32 bytes in base64) that encrypt secrets of partners and subscriptions; unset: a file.",
    )
    log_max_behind: int = Field(
        default=100_000,
        ge=1,
        description="Events not published yet, beyond which writers over HTTP have to come again.",
    )
    log_meta_ledger: _LedgerName | None = Field(
        default=None, description="The ledger that records this ledger's published checkpoints; unset: none does."
    )
    log_policy: Path | None = Field(
        default=None,
        description="File (C2SP tlog-policy) of the witnesses that cosign the log, and how many must; unset: none.",
    )
    log_publish_interval: int = Field(
        default=600,
        ge=0,
        le=86_400,
        description="Seconds after which an idle log asks its witnesses for new cosignatures; 0: only when it grows.",
    )
    witness_timeout_ms: int = Field(
        default=1000, ge=10, le=60_000, description="How long witnesses may take to cosign a checkpoint."
    )
    timestamp_url: str | None = Field(
        default=None, description="Time-stamping authority (RFC 3161) that is asked for timestamps of checkpoints."
    )
    timestamp_roots: Path | None = Field(
        default=None, description="PEM file of the certificates that the authority's must lead up to."
    )
    timestamp_seconds: int | None = Field(
        default=None,
        ge=1,
        description="How often the server asks for one while the log grows; unset: only when told to.",
    )
    ledger: _LedgerName = Field(default="main", description="The ledger that commands and server work on.")
    organisation: _OrganisationName = Field(default=LOCAL, description="Whom the command line acts as.")
    operator: _OrganisationName = Field(
        default=LOCAL,
        description="The organisation whose admin keys may add organisations over HTTP, and that keeps the register.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: str | None = Field(
        default=None, description="Where others reach the server, with https; needed to listen beyond this machine."
    )
    pool_size: int = Field(default=8, ge=2, le=100, description="Database connections of one process.")
    spool: Path | None = Field(
        default=None, description="Folder of documents that wait to be captured; unset: in the data folder."
    )
    spool_max_bytes: int = Field(
        default=64 << 30,
        ge=2048,
        description="Bytes that may wait in the spool; who sends more over HTTP is told to come again.",
    )
    capture_workers: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Processes that read the documents of a capture; unset: one a core.",
    )
    capture_max_bytes: int = Field(
        default=8 << 30, ge=1024, description="Longest document or archive that is captured, packed or not."
    )
    capture_max_events: int | None = Field(
        default=None, ge=1, description="Most events of one capture, after which it is refused; unset: any number."
    )
    capture_max_jobs: int = Field(
        default=32, ge=1, description="Unfinished captures of one organisation, after which it is told to wait."
    )
    capture_max_malformed: int = Field(
        default=10_000, ge=1, description="Malformed events of one capture that are told of; more are only counted."
    )
    capture_lease_seconds: int = Field(
        default=30,
        ge=1,
        le=3600,
        description="How long a process may be silent before another goes on with its capture.",
    )
    capture_keep_days: int = Field(
        default=90,
        ge=1,
        le=36_500,
        description="Days after which `db maintain` removes finished captures, and findings that are settled.",
    )
    company_prefixes: Path | None = Field(
        default=None,
        description="File of company prefix lengths, asked before GS1's list; unset: that list alone.",
    )
    outgoing_allow: _Allowed | None = Field(
        default=None,
        description="Private hosts and networks that requests to others may go to, without TLS too; spaces between.",
    )
    partner_interval: int = Field(
        default=60, ge=1, le=86_400, description="Seconds between two looks at a partner's repository or folder."
    )
    partner_timeout_seconds: int = Field(
        default=30, ge=1, le=600, description="How long a partner's repository may take to answer with a page."
    )
    subscription_timeout_seconds: int = Field(
        default=10, ge=1, le=60, description="How long a subscriber may take to answer a delivery."
    )
    subscription_retry_seconds: int = Field(
        default=300, ge=1, le=86_400, description="Longest pause between attempts at a delivery; the first is a second."
    )
    subscription_give_up_hours: int = Field(
        default=72,
        ge=1,
        le=8_760,
        description="Hours of failures after which a delivery is given up, and kept as dead.",
    )
    subscription_refused_hours: int = Field(
        default=6,
        ge=1,
        le=8_760,
        description="Hours of refusals after which the events that a subscriber refuses are kept as dead.",
    )
    evaluator: bool = Field(
        default=True,
        description="Whether the server judges in the background what is recorded, for each organisation.",
    )
    page_token_seconds: int = Field(
        default=3600, ge=10, le=604_800, description="How long the token of a next page of EPCIS answers is good."
    )
    max_body_bytes: int = Field(default=1_048_576, ge=1024, le=67_108_864, description="Longest request body.")
    max_body_depth: int = Field(default=64, ge=4, le=512, description="Deepest nesting of a JSON request body.")

    @model_validator(mode="after")
    def _refuse_a_spool_that_could_never_take_the_longest(self) -> Self:
        # An archive lies there twice, packed and unpacked.
        if self.spool_max_bytes < 2 * self.capture_max_bytes:
            raise ValueError("TRACEABILITY_SPOOL_MAX_BYTES must be at least twice TRACEABILITY_CAPTURE_MAX_BYTES")
        return self

    @model_validator(mode="after")
    def _refuse_timestamps_that_nobody_could_check(self) -> Self:
        if self.timestamp_seconds is not None and (self.timestamp_url is None or self.timestamp_roots is None):
            raise ValueError(
                "TRACEABILITY_TIMESTAMP_SECONDS needs TRACEABILITY_TIMESTAMP_URL and TRACEABILITY_TIMESTAMP_ROOTS"
            )
        return self

    @model_validator(mode="after")
    def _refuse_plain_keys_on_the_wire(self) -> Self:
        if self.public_url is not None:
            url = urlsplit(self.public_url)
            if url.scheme != "https" or not url.hostname or url.query or url.fragment or url.username:
                raise ValueError("TRACEABILITY_PUBLIC_URL must be https://host with nothing but a path after it")
        elif not _is_loopback(self.host):
            raise ValueError(
                "API keys would cross the network in the clear: to listen beyond this machine, put a proxy with TLS"
                " in front and set TRACEABILITY_PUBLIC_URL to its https address"
            )
        return self


def read_settings(**overrides: object) -> Settings:
    """Return the settings of the environment; `overrides` that are not None win.

    Raises `InvalidInputError` (`settings.invalid`), which names the variables and never repeats a value.
    """
    try:
        return Settings.model_validate({name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        reasons = [
            f"{PREFIX}{'_'.join(map(str, problem['loc'])).upper()}: {sentence(problem)}"
            if problem["loc"]
            else sentence(problem)
            for problem in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidInputError(
            "; ".join(reasons), code="settings.invalid", hint="Correct the environment variable or the option."
        ) from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
