"""A secret as it lies in a database: encrypted under a key that is kept elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sealed:
    """`text` is the ciphertext in base64; without `key_id`, from before secrets were encrypted, the secret itself."""

    text: str = field(repr=False)
    key_id: str | None


def sealed(text: str | None, key_id: str | None) -> Sealed | None:
    """Return what two columns hold, None for no secret."""
    return None if text is None else Sealed(text, key_id)
