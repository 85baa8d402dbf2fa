"""One entry of a thing's history, and by what right it was said."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from traceability.supply_chain.seen import Mention, SeenEvent


class Authority(StrEnum):
    """By what right an organisation spoke of a thing, strongest first; a `claim` was made by none."""

    PREFIX = "prefix"
    COMMISSIONER = "commissioner"
    CUSTODIAN = "custodian"
    OWNER = "owner"
    CONSIGNEE = "consignee"
    PLACE = "place"
    FIRST_TO_SPEAK = "first_to_speak"
    CLAIM = "claim"


OF_MAKERS: Final = frozenset({Authority.PREFIX, Authority.COMMISSIONER})
"""The rights of who makes a thing, or may: of all there is of a lot, and not of some of it."""


class ClaimReason(StrEnum):
    """Why an event is a mere claim, as far as the reader may see."""

    NO_AUTHORITY = "no_authority"
    """Who recorded it neither made the thing, nor has, owns or is to receive it, nor holds the place."""
    PREFIX_OF_ANOTHER = "prefix_of_another"
    """It says that the thing was made, and the company prefix of its key is registered to another."""
    MADE_BY_ANOTHER = "made_by_another"
    """It says that the thing was made, and another had made it."""
    NOT_AUTHORISED = "not_authorised"
    """There is a rule of who may do this, and by the register it may not."""
    NO_SUCH_PROPOSAL = "no_such_proposal"
    """It answers a proposal that nobody made, or that was answered."""
    NOT_ITS_RECEIVER = "not_its_receiver"
    NOT_ITS_ISSUER = "not_its_issuer"
    ISSUER_WITHOUT_ROLE = "issuer_without_role"
    """Who proposed the transfer does not have, at that time, what it would give away."""
    NO_SUCH_HOLD = "no_such_hold"
    NOT_ITS_PLACER = "not_its_placer"


class HistoryEntry(msgspec.Struct, frozen=True):
    """An event in the life of a thing: its own `mentions`, or (`via`) those of a container that it was in.

    Without mentions it is an event of a lot's member, or a decision. `retracted_by` is the error declaration that took
    the event back; such an event, the declaration itself and a claim are shown and do not move the state. `authority`
    is None while nobody has judged it, and for what counts for nothing anyway; `reason` is that of a claim.
    """

    event: SeenEvent
    mentions: tuple[Mention, ...]
    via: str | None = None
    retracted_by: SeenEvent | None = None
    authority: Authority | None = None
    reason: ClaimReason | None = None

    @property
    def stands(self) -> bool:
        """Tell whether the event was not taken back, and takes none back."""
        return self.retracted_by is None and not self.event.declares

    @property
    def counts(self) -> bool:
        """Tell whether the entry moves the state."""
        return self.stands and self.authority is not Authority.CLAIM
