"""What a request under /epcis wishes for, told by its headers (EPCIS 2.0 §12): all operations negotiate here."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import zip_longest
from typing import Annotated, Final

from fastapi import Depends, Header, Request

from api.epcis_headers import (
    LD_JSON,
    OLD_VERSIONS,
    TEXT_XML,
    VERSIONS,
    XML,
    CbvFormat,
    EpcFormat,
    NotAcceptableError,
    Wish,
)
from api.web.negotiation import JSON, preferred
from traceability.errors import UnsupportedError
from traceability.gs1.epcis.document_writer import Format
from traceability.gs1.epcis.xml.writer import Words

# What a body is shows in its first bytes. Taken is what a client may say of JSON, XML, archives or bytes that it does
# not know; `curl --data-binary` calls those application/x-www-form-urlencoded.
_CAPTURED: Final = re.compile(
    r"|(application|text)/([\w.-]+\+)?(json|xml)|text/plain|application/(octet-stream|x-www-form-urlencoded)"
    r"|application/((x-)?gzip|zip|x-zip-compressed)",
    re.ASCII | re.IGNORECASE,
).fullmatch
_VERSION: Final = r"^[0-9]{1,4}(\.[0-9]{1,4}){0,3}$"


async def check_versions(
    *,
    epcis: Annotated[str | None, Header(alias="GS1-EPCIS-Version", pattern=_VERSION)] = None,
    epcis_min: Annotated[str | None, Header(alias="GS1-EPCIS-Min", pattern=_VERSION)] = None,
    epcis_max: Annotated[str | None, Header(alias="GS1-EPCIS-Max", pattern=_VERSION)] = None,
    cbv: Annotated[str | None, Header(alias="GS1-CBV-Version", pattern=_VERSION)] = None,
    cbv_min: Annotated[str | None, Header(alias="GS1-CBV-Min", pattern=_VERSION)] = None,
    cbv_max: Annotated[str | None, Header(alias="GS1-CBV-Max", pattern=_VERSION)] = None,
) -> bool:
    """Tell whether a request asks for, or comes in, EPCIS 1.2, because 2.0 is not what it wants.

    Raises `NotAcceptableError` for versions that are not served.
    """
    return _asks_for_old((("EPCIS", epcis, epcis_min, epcis_max), ("CBV", cbv, cbv_min, cbv_max)))


def _asks_for_old(asked: Iterable[tuple[str, str | None, str | None, str | None]]) -> bool:
    asked = list(asked)
    for versions in (VERSIONS, OLD_VERSIONS):
        if all(_is_served(versions[f"GS1-{name}-Version"], *wanted) for name, *wanted in asked):
            return versions is OLD_VERSIONS
    raise NotAcceptableError(
        "The versions of EPCIS and CBV that are asked for are not served", hint="They are 2.0.0, in XML also 1.2.0."
    )


VersionsDep = Annotated[bool, Depends(check_versions)]


def wishing(*offered: str) -> Callable[..., Awaitable[Wish]]:
    """Return a dependency that gives the wish of a request for one of the media types `offered`.

    Raises `NotAcceptableError`.
    """

    async def wish(
        *,
        request: Request,
        is_old: VersionsDep,
        epc_format: Annotated[
            EpcFormat, Header(alias="GS1-EPC-Format", description="How identifiers are to be written.")
        ] = EpcFormat.DIGITAL_LINK,
        extensions: Annotated[
            list[str] | None,
            Header(
                alias="GS1-Extensions",
                description="Prefixes of fields: `example=https://ns.example/epcis/`, by commas.",
            ),
        ] = None,
        cbv_format: Annotated[
            CbvFormat, Header(alias="GS1-CBV-XML-Format", description="How XML spells words of the CBV.")
        ] = CbvFormat.NO_PREFERENCE,
    ) -> Wish:
        # A header that is a list may come in several lines (RFC 9110 §5.3).
        declared = None if extensions is None else ", ".join(extensions)
        media_type = preferred(", ".join(request.headers.getlist("accept")) or None, offered)
        if media_type is None:
            raise NotAcceptableError(
                "No media type that is accepted can be answered", hint=f"Accept: {', '.join(offered)}"
            )
        if media_type not in (XML, TEXT_XML):
            if is_old:
                raise NotAcceptableError("EPCIS 1.2 is XML", hint=f"Accept: {XML}, where it is answered.")
            return Wish(media_type, epc_format, declared)
        words = None if cbv_format is CbvFormat.NO_PREFERENCE else Words(cbv_format.value)
        return Wish(media_type, epc_format, declared, Format.XML_1_2 if is_old else Format.XML, words)

    return wish


def check_captured(headers: Mapping[str, str]) -> None:
    """Raise `UnsupportedError` (`capture.media_type`) for a Content-Type that says of a body that it is no events."""
    if _CAPTURED(headers.get("content-type", "").partition(";")[0].strip()) is None:
        raise UnsupportedError(
            "Events are captured in JSON or XML, or archives of them",
            code="capture.media_type",
            hint=f"Content-Type: {JSON}, {LD_JSON}, {XML}, application/gzip or application/zip.",
        )


def wish_of_socket(headers: Mapping[str, str]) -> Wish:
    """Return the wish of a websocket, whose messages are JSON; raises `NotAcceptableError`."""
    versions = [
        (name, headers.get(f"GS1-{name}-Version"), headers.get(f"GS1-{name}-Min"), headers.get(f"GS1-{name}-Max"))
        for name in ("EPCIS", "CBV")
    ]
    if any(text is not None and re.search(_VERSION, text) is None for _, *texts in versions for text in texts):
        raise NotAcceptableError("A version of EPCIS or CBV is numbers with full stops between", hint="Such as: 2.0.0")
    offered = (JSON, LD_JSON)
    media_type = preferred(headers.get("Accept"), offered)
    if media_type is None or _asks_for_old(versions):
        raise NotAcceptableError("The messages of a websocket are EPCIS 2.0 in JSON", hint=f"Accept: {JSON}")
    try:
        epc_format = EpcFormat(headers.get("GS1-EPC-Format", EpcFormat.DIGITAL_LINK))
    except ValueError as error:
        raise NotAcceptableError(
            "GS1-EPC-Format is not one that there is", hint=f"They are {', '.join(EpcFormat)}."
        ) from error
    return Wish(media_type, epc_format, headers.get("GS1-Extensions"))


def _is_served(served: str, exact: str | None, least: str | None, most: str | None) -> bool:
    ours = _numbers(served)
    return not (
        (exact is not None and _order(_numbers(exact)[:2], ours[:2]) != 0)
        or (least is not None and _order(_numbers(least), ours) > 0)
        or (most is not None and _order(_numbers(most), ours) < 0)
    )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def _order(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """Return less than 0, 0 or more than 0, as `one` is before, the same as or after `other`; 2.0 is 2.0.0."""
    return next((a - b for a, b in zip_longest(one, other, fillvalue=0) if a != b), 0)
