"""The commands there are: HTTP, the command line and the guide have these and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from traceability.supply_chain.commands.body import Command
from traceability.supply_chain.commands.correcting import Correct
from traceability.supply_chain.commands.deciding import (
    AcceptTransfer,
    CancelTransfer,
    CustomsEntry,
    CustomsRelease,
    DeclineTransfer,
    PlaceHold,
    ProposeTransfer,
    ReleaseHold,
)
from traceability.supply_chain.commands.handling import Decommission, Destroy, Observe
from traceability.supply_chain.commands.making import Commission, Transform
from traceability.supply_chain.commands.moving import Receive, Reject, Ship
from traceability.supply_chain.commands.packages import DeactivatePack, ReactivatePack, RecallBatch, WithdrawProduct
from traceability.supply_chain.commands.packing import Pack, Unpack
from traceability.supply_chain.commands.parts import (
    InstallPart,
    ReleasePart,
    RemovePart,
    ScrapPart,
    SetPartLimit,
    StateUtilisation,
)

_ALL: Final[tuple[type[Command], ...]] = (
    Commission,
    Observe,
    Pack,
    Unpack,
    Transform,
    Ship,
    Receive,
    Reject,
    ProposeTransfer,
    AcceptTransfer,
    DeclineTransfer,
    CancelTransfer,
    PlaceHold,
    ReleaseHold,
    CustomsEntry,
    CustomsRelease,
    ReleasePart,
    SetPartLimit,
    InstallPart,
    RemovePart,
    StateUtilisation,
    ScrapPart,
    DeactivatePack,
    ReactivatePack,
    RecallBatch,
    WithdrawProduct,
    Decommission,
    Destroy,
    Correct,
)

COMMANDS: Final[Mapping[str, type[Command]]] = {command.name: command for command in _ALL}
"""The commands by name, in the order in which a thing meets them."""
