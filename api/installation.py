"""A check that the three packages which run are the three that were installed together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import adapters
import api
import traceability
from traceability.errors import TraceabilityError


class MixedInstallationError(TraceabilityError):
    """`adapters` or `api` is another distribution's package of that name."""

    code = "installation.mixed"


def check_installation(packages: Mapping[str, ModuleType] | None = None) -> None:
    """Raise `MixedInstallationError` unless `traceability`, `adapters` and `api` lie side by side.

    The public index has a distribution `adapters`. Installed beside ours it replaces modules one by one, and what
    breaks then is an import far from the cause.
    """
    packages = packages or {"traceability": traceability, "adapters": adapters, "api": api}
    folders = {name: _parent(package) for name, package in packages.items()}
    home = folders["traceability"]
    strangers = sorted(name for name, folder in folders.items() if folder != home)
    if strangers:
        places = ", ".join(f"{name} in {folders[name] or 'several folders'}" for name in strangers)
        raise MixedInstallationError(
            f"traceability is installed in {home}, but {places}.",
            hint="Another distribution has a package of that name. Install traceability in an environment of its own.",
        )


def _parent(package: ModuleType) -> Path | None:
    """Return the folder that holds the package, or None for a namespace package, which has no file of its own."""
    return Path(package.__file__).resolve().parent.parent if package.__file__ else None
