"""Templates, and the files that pages refer to."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

STATIC: Final = "/static"

ASSET_TYPES: Final = {
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "evidence.js": "text/javascript; charset=utf-8",
}
"""Every file that may be asked for, and its media type."""

_environment: Final = Environment(
    loader=PackageLoader("api.web", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: Any) -> str:  # noqa: ANN401 - whatever the template asks for
    """Return a page; every value is escaped but `Markup`."""
    return _environment.get_template(template).render(values)


@cache
def asset(name: str) -> bytes:
    """Return a file of `ASSET_TYPES`; raises `KeyError` for any other name."""
    if name not in ASSET_TYPES:
        raise KeyError(name)
    return files("api.web").joinpath("static", name).read_bytes()


def asset_address(name: str) -> str:
    """Return where a page finds a file: the address changes with the content, so that it may be kept for good."""
    return f"{STATIC}/{sha256(asset(name)).hexdigest()[:12]}/{name}"


_environment.globals["asset"] = asset_address
