"""The headers by which a server of EPCIS 2.0 says which versions it speaks (§12)."""

from __future__ import annotations

from typing import Final

VERSIONS: Final = {"GS1-EPCIS-Version": "2.0.0", "GS1-CBV-Version": "2.0.0"}
