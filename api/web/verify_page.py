"""The page /verify, which checks receipts and bundles in the reader's browser, and the same page as one file."""

from __future__ import annotations

import re
from functools import cache
from http import HTTPStatus
from typing import Final

import orjson
from fastapi import APIRouter, Response
from markupsafe import Markup
from starlette.responses import HTMLResponse

from api.web import words
from api.web.rendering import SCRIPTS, asset, render

VERIFY: Final = "/verify"
SAVED: Final = "/verify.html"

router: Final = APIRouter(include_in_schema=False)

_METHODS: Final = ["GET", "HEAD"]
_ATTACHMENT: Final = {"Content-Disposition": 'attachment; filename="verify.html"'}
_IMPORT: Final = re.compile(r"^import \{([^}]*)\} from \"\./(\S+)\";\n", re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+|\[[^\]]*\]))", re.MULTILINE)


@router.api_route(VERIFY, methods=_METHODS)
def verify() -> Response:
    """Answer the page; it is the same for everybody and knows nothing of what it will check."""
    return HTMLResponse(render("verify.html", modules=SCRIPTS, tables=_tables()), HTTPStatus.OK)


@router.api_route(SAVED, methods=_METHODS)
def saved() -> Response:
    """Answer the page as one file that asks nobody for anything: its policy forbids all connections."""
    return HTMLResponse(_saved_page(), headers=_ATTACHMENT)


@cache
def _saved_page() -> str:
    style = Markup(asset("style.css").decode())  # noqa: S704 - our own file
    return render("verify_saved.html", script=Markup(one_script()), style=style, tables=_tables())  # noqa: S704


def one_script() -> str:
    """Return all modules as one script, each a function that gives what its module exports.

    A page that was opened from a file may not import other files. Nothing but `import` and `export` is changed, so
    what is in the saved page reads like the modules themselves.
    """
    return "const modules = {};\n" + "".join(map(_as_function, SCRIPTS))


def _as_function(name: str) -> str:
    source = asset(name).decode()
    exported: list[str] = []
    for match in _EXPORT.finditer(source):
        exported += re.findall(r"\w+", match[1])
    body = _IMPORT.sub(lambda match: f'const {{{match[1]}}} = modules["{match[2]}"];\n', source)
    body = _EXPORT.sub("", body)
    return f'\nmodules["{name}"] = (() => {{\n{body}\nreturn {{ {", ".join(exported)} }};\n}})();\n'


def _tables() -> Markup:
    tables = orjson.dumps({name: dict(table) for name, table in words.tables().items()}).decode()
    # Within a script element only `<` could end it or open a comment; in JSON it may be written as an escape.
    return Markup(tables.replace("<", "\\u003c"))  # noqa: S704
