"""What makes a text a URI, absolute or not, and the parts of one on the web."""

from __future__ import annotations

import re
from typing import Final

WEB: Final = re.compile(r"(?i:https?)://([^/?#]+)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.DOTALL).fullmatch
"""Match an http URI; its groups are the authority, the path and the query (None without one)."""

_CHARACTERS: Final = r"[^\x00-\x20\x7f\"<>\\^`{|}]+"
_ABSOLUTE: Final = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]*:{_CHARACTERS}").fullmatch
_REFERENCE: Final = re.compile(_CHARACTERS).fullmatch


def is_absolute_uri(text: str) -> bool:
    """Tell whether `text` is an absolute URI that can be seen: of IRIs, those without invisible characters."""
    # isprintable also refuses lone surrogates, which have no UTF-8 and so could not be stored.
    return _ABSOLUTE(text) is not None and text.isprintable()


def is_uri_reference(text: str) -> bool:
    """Tell whether `text` is an absolute URI or may stand for one: a bare word, without spaces (RFC 3986 §4.1)."""
    return _REFERENCE(text) is not None and text.isprintable()
