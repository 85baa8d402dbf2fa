"""Templates, and the files that pages refer to."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

STATIC: Final = "/static"

SCRIPTS: Final = (
    "encoding.js",
    "sha256.js",
    "json.js",
    "merkle.js",
    "multiproof.js",
    "note.js",
    "policy.js",
    "trust.js",
    "content.js",
    "opening.js",
    "receipt.js",
    "zip.js",
    "answer.js",
    "bundle.js",
    "words.js",
    "report.js",
    "verify.js",
)
"""The modules of the page /verify, each after those that it imports."""

ASSET_TYPES: Final = {
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "evidence.js": "text/javascript; charset=utf-8",
    **dict.fromkeys(SCRIPTS, "text/javascript; charset=utf-8"),
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


@cache
def asset_address(name: str) -> str:
    """Return where a page finds a file: the address changes with the content, so that it may be kept for good."""
    # Modules import each other from the same folder, so they share one that changes with any of them.
    content = b"".join(map(asset, SCRIPTS)) if name in SCRIPTS else asset(name)
    return f"{STATIC}/{sha256(content).hexdigest()[:12]}/{name}"


_environment.globals["asset"] = asset_address
