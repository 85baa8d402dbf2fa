"""The console script, and `python -m api`: look at the installation before anything that it could break is imported."""

from __future__ import annotations

import sys
from typing import NoReturn

from api.installation import MixedInstallationError, check_installation

_UNUSABLE = 3


def main() -> NoReturn:
    """Run the command line; exit 3 with a sentence when another distribution's package stands in for one of ours."""
    try:
        check_installation()
    except MixedInstallationError as error:
        sys.stderr.write(f"{error.diagnostics()}\n")
        sys.exit(_UNUSABLE)
    from api.cli import main as command_line  # noqa: PLC0415 - only now is it known whose modules it imports

    command_line()


if __name__ == "__main__":
    main()
