"""What makes a text an absolute URI, and the parts of one on the web."""

from __future__ import annotations

import re
from typing import Final

WEB: Final = re.compile(r"(?i:https?)://([^/?#]+)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.DOTALL).fullmatch
"""Match an http URI; its groups are the authority, the path and the query (None without one)."""

_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20\x7f\"<>\\^`{|}]+").fullmatch


def is_absolute_uri(text: str) -> bool:
    """Tell whether `text` is an absolute URI that can be seen: of IRIs, those without invisible characters."""
    # isprintable also refuses lone surrogates, which have no UTF-8 and so could not be stored.
    return _ABSOLUTE(text) is not None and text.isprintable()
