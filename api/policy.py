"""Whose cosignatures the log needs, and the policy file that whoever verifies its receipts needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from adapters.witness import HttpWitnesses
from api.settings import Settings
from traceability.errors import InvalidInputError
from traceability.notary.errors import VerificationError
from traceability.notary.note import VerifierKey
from traceability.notary.policy import Policy, PolicyLog

_CODE: Final = "settings.log_policy"


def read_policy(settings: Settings) -> Policy | None:
    """Return the policy of `TRACEABILITY_LOG_POLICY`; raises `InvalidInputError` (`settings.log_policy`)."""
    if settings.log_policy is None:
        return None
    try:
        return Policy.parse(settings.log_policy.read_bytes())
    except (OSError, VerificationError) as error:
        raise InvalidInputError(
            f"TRACEABILITY_LOG_POLICY cannot be used: {error}",
            code=_CODE,
            hint=f"{settings.log_policy} has to be a tlog-policy file: witness, group and quorum lines.",
        ) from error


@contextmanager
def witnesses_of(settings: Settings) -> Iterator[HttpWitnesses | None]:
    """Give the witnesses of the settings' policy, None when there is no policy; raises `InvalidInputError`."""
    policy = read_policy(settings)
    if policy is None:
        yield None
        return
    try:
        witnesses = HttpWitnesses(policy, timeout=settings.witness_timeout_ms / 1000)
    except InvalidInputError as error:
        raise InvalidInputError(f"TRACEABILITY_LOG_POLICY: {error.message}", code=_CODE, hint=error.hint) from error
    with witnesses:
        yield witnesses


def verifiers_policy(settings: Settings, name: str, key: VerifierKey) -> Policy:
    """Return what a verifier of the receipts of log `name` needs: its key, and the witnesses with their quorum.

    Where witnesses take checkpoints is nothing to a verifier, so their addresses stay here.
    """
    policy = read_policy(settings) or Policy()
    url = None if settings.public_url is None else f"{settings.public_url.rstrip('/')}/logs/{name}"
    witnesses = tuple(replace(witness, url=None) for witness in policy.witnesses)
    return replace(policy, logs=(PolicyLog(key, url),), witnesses=witnesses)
