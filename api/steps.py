"""Business steps as people write them, for grants."""

from __future__ import annotations

from traceability.errors import InvalidInputError
from traceability.gs1.epcis.fields import is_uri
from traceability.gs1.epcis.vocabulary import BIZ_STEP


def business_step(text: str) -> str:
    """Return the step as events hold it: a bare CBV word, or somebody's own URI.

    A misspelt word would make a grant that opens nothing and says so to nobody. Raises `InvalidInputError`
    (`access.steps`).
    """
    known = BIZ_STEP.spellings.get(text)
    if known is not None:
        return known
    if is_uri(text):
        return text
    raise InvalidInputError(
        "This is not a business step of the Core Business Vocabulary",
        code="access.steps",
        hint="Such as shipping or receiving; a step of your own is a full URI.",
    )
