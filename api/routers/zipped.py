"""A bundle as an answer over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from io import SEEK_END
from types import MappingProxyType
from typing import Any, BinaryIO, Final

from starlette.responses import StreamingResponse

from api.bundles import MEDIA_TYPE, pieces

ZIP: Final = MEDIA_TYPE
ZIP_CONTENT: Final[dict[str, Any]] = {ZIP: {"schema": {"type": "string", "format": "binary"}}}
"""Of a 200 in the description of an operation."""
_NONE: Final = MappingProxyType[str, str]({})


def zipped(bundle: BinaryIO, name: str = "bundle", headers: Mapping[str, str] = _NONE) -> StreamingResponse:
    """Return a bundle, which is closed once it was sent, to be saved as `{name}.zip`."""
    length = bundle.seek(0, SEEK_END)
    bundle.seek(0)
    own = {"Content-Disposition": f'attachment; filename="{name}.zip"', "Content-Length": str(length)}
    return StreamingResponse(
        pieces(bundle), media_type=ZIP, headers={"Vary": "Accept, Authorization", **headers, **own}
    )
