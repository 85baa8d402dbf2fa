"""Where the signing keys of a ledger's logs are: one file a log, or the environment."""

from __future__ import annotations

from pathlib import Path

from adapters.postgres.notary import PostgresLog
from adapters.signing import ml_dsa_key, read_key, signing_key
from api.settings import Settings
from traceability.errors import InvalidInputError, UnavailableError
from traceability.notary.errors import VerificationError
from traceability.notary.note import SigningKey, VerifierKey
from traceability.notary.ports import LogIdentity, Signer
from traceability.notary.signers import TwoSigners
from traceability.ports import Clock, Entropy


class NoKey:
    """Signs nothing: a closed log whose every checkpoint is signed and kept is published again without a key."""

    def __init__(self, verifier: VerifierKey) -> None:
        self.verifier = verifier

    def sign(self, text: str) -> str:
        """Raise `UnavailableError` (`log.key_file`)."""
        raise _missing(text.partition("\n")[0], "hand")


class Announced:
    """Records a log's second key when it first signs: only the process that leads does, so no line is missing since."""

    def __init__(self, both: TwoSigners, database: PostgresLog, clock: Clock) -> None:
        self.verifier = both.verifier
        self._both = both
        self._database = database
        self._clock = clock
        self._vkey = both.more.verifier.text

    def sign(self, text: str) -> str:
        """Return the note with both signatures."""
        if self._vkey not in self._database.identity.additional_vkeys:
            self._database.add_key(self._vkey, self._clock.now_us())
        return self._both.sign(text)


def key_path(settings: Settings, log: str) -> Path:
    """Return the key file of a log.

    A ledger's first log has the ledger's name; its file may be named by TRACEABILITY_LOG_KEY, and those of the logs
    that follow lie beside it.
    """
    first = settings.log_key or settings.data / "keys" / f"{settings.ledger}.key"
    return first if log == settings.ledger else first.with_name(f"{log}.key")


def signer_of(settings: Settings, identity: LogIdentity) -> Signer:
    """Return the key of a log that exists; raises `UnavailableError` (`log.key_file`) when it is not here."""
    for key in environment_keys(settings):
        if key.verifier.text == identity.vkey:
            return key
    path = key_path(settings, identity.name)
    if not path.exists():
        raise _missing(identity.name, str(path))
    return read_key(path, passphrase(settings))


def new_key(settings: Settings, entropy: Entropy, *, log: str, origin: str | None, fallback: str) -> SigningKey:
    """Return the key for a log that is about to be opened: of the environment, else its file, made if it is not there.

    The name of a key that was brought along decides when no `origin` is asked for, and `fallback` names a new one.
    Raises `UnavailableError` (`log.key_file`).
    """
    for key in environment_keys(settings):
        if origin in (None, key.name):
            return key
    try:
        return signing_key(key_path(settings, log), origin or fallback, entropy, passphrase(settings))
    except VerificationError as error:
        raise InvalidInputError(f"This cannot be an origin: {error.message}", code="log.origin") from error


def with_ml_dsa(settings: Settings, entropy: Entropy, log: str, own: Signer) -> TwoSigners:
    """Return a log's signer with an ML-DSA-44 key beside it, whose file is made at first use.

    Raises `UnavailableError` (`log.key_file`), also where ML-DSA is not available.
    """
    path = key_path(settings, log).with_suffix(".ml-dsa.key")
    return TwoSigners(own, ml_dsa_key(path, own.verifier.name, entropy, passphrase(settings)))


def environment_keys(settings: Settings) -> list[SigningKey]:
    """Return the keys of TRACEABILITY_LOG_SIGNING_KEY; raises `InvalidInputError` (`settings.log_signing_key`)."""
    secret = settings.log_signing_key
    try:
        return [SigningKey.parse(text) for text in secret.get_secret_value().split()] if secret else []
    except VerificationError as error:
        raise InvalidInputError(
            f"TRACEABILITY_LOG_SIGNING_KEY is not as it must be: {error.message}",
            code="settings.log_signing_key",
            hint="It holds keys of the form PRIVATE+KEY+name+id+base64, separated by spaces.",
        ) from None


def passphrase(settings: Settings) -> str | None:
    """Return what key files are encrypted with, None when they are not."""
    return None if settings.log_key_passphrase is None else settings.log_key_passphrase.get_secret_value()


def _missing(log: str, place: str) -> UnavailableError:
    return UnavailableError(
        f"The signing key of the log {log} is not at {place}",
        code="log.key_file",
        hint="Bring the key back, or set TRACEABILITY_LOG_KEY: without it the log cannot grow.",
    )
