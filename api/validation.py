"""What pydantic found wrong with something, in the words of whoever checks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def sentence(problem: Mapping[str, Any]) -> str:
    """Return what one of `ValidationError.errors()` says, without the prefix of a check that is ours."""
    return str(problem["msg"]).removeprefix("Value error, ")
