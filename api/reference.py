"""The page `/docs`: the operations of `/openapi.json`, rendered here, without a script and without a CDN."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from importlib.resources import files
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup, escape

router: Final = APIRouter(include_in_schema=False)
_pages: Final = Environment(loader=PackageLoader("api", "reference_pages"), autoescape=select_autoescape())
_CODE: Final = re.compile(r"`([^`]+)`")
_CACHE: Final = {"Cache-Control": "public, max-age=3600"}
_DEPTH: Final = 8  # of an example: schemas may contain themselves


def _marked(text: str) -> Markup:
    """Show as code what docstrings put between backticks."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


_pages.filters["marked"] = _marked


@router.get("/docs")
def docs(request: Request) -> Response:
    """Return the page."""
    document = request.app.openapi()
    by_tag = defaultdict(list)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            by_tag[operation.get("tags", ["other"])[0]].append(_operation(document, path, method, operation))
    page = _pages.get_template("docs.html").render(info=document["info"], areas=by_tag, base=str(request.base_url))
    return Response(page, media_type="text/html", headers=_CACHE)


@router.get("/docs/style.css")
def style() -> Response:
    """Return the page's stylesheet."""
    return Response((files("api") / "reference_pages" / "docs.css").read_bytes(), media_type="text/css", headers=_CACHE)


def _operation(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {})
    answers = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
    return {
        "anchor": f"{method}-{path.strip('/')}".replace("/", "-").replace("{", "").replace("}", ""),
        "method": method.upper(),
        "path": path,
        "summary": operation.get("summary", ""),
        "description": operation.get("description", ""),
        "needs_key": "security" in operation,
        "parameters": [
            {
                "name": parameter["name"],
                "in": parameter["in"],
                "required": parameter.get("required", False),
                "type": _type(parameter.get("schema", {})),
                "description": parameter.get("description", ""),
            }
            for parameter in operation.get("parameters", [])
        ],
        "request": [(kind, _example_text(document, content)) for kind, content in body.items()],
        "answers": [
            (status, kind, _example_text(document, content))
            for status, answer in answers.items()
            for kind, content in answer.get("content", {}).items()
        ],
    }


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(choice) for choice in schema["anyOf"])
    return str(schema.get("format") or schema.get("type") or schema.get("$ref", "").rpartition("/")[2] or "any")


def _example_text(document: dict[str, Any], content: dict[str, Any]) -> str:
    example = content.get("example", _example(document, content.get("schema", {}), _DEPTH))
    return example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)


def _example(document: dict[str, Any], schema: dict[str, Any], depth: int) -> Any:  # noqa: ANN401 - a JSON value
    """Make up a value of the schema, from its own examples where it has them."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    given = [*schema.get("examples", []), *(schema[name] for name in ("default", "const") if name in schema)]
    given += schema.get("enum", [])
    choices = schema.get("anyOf", []) + schema.get("oneOf", [])
    if given or depth == 0:
        return given[0] if given else "…"
    if choices:
        return _example(document, choices[0], depth - 1)
    match schema.get("type"):
        case "object":
            members = schema.get("properties", {})
            return {name: _example(document, member, depth - 1) for name, member in members.items()}
        case "array":
            return [_example(document, schema.get("items", {}), depth - 1)]
        case kind:
            return {"integer": 1, "number": 1, "boolean": True}.get(str(kind), "text")
