"""`traceability label`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from adapters.barcode import qr
from api.cli.context import note, settings_for
from api.cli.output import STDOUT, writing
from api.codes import human_readable, link_on, read_code
from traceability.gs1.digital_link import RESOLVER

_ONE_LINE = 44
"""Characters that are still easy to read under a code of about 40 modules."""


class Format(StrEnum):
    """How the label is drawn."""

    SVG = "svg"
    PNG = "png"


def label(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="A Digital Link, URN, (01)… or the bare number.")],
    *,
    format_: Annotated[
        Format | None, typer.Option("--format", help="Of the drawing.", show_default="by the file's name, else svg")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Write here.", show_default="- for standard output")
    ] = STDOUT,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The server that the code leads to.",
            show_default=f"TRACEABILITY_PUBLIC_URL or {RESOLVER}",
        ),
    ] = None,
) -> None:
    """Draw the QR code of a thing's GS1 Digital Link, with the text that people read.

    For example:

    - `traceability label https://id.gs1.org/01/09521103001011/21/0003 -o pack.svg`
    - `traceability label '(00)095211030000070017' --format png -o pallet.png`
    - `traceability label '(01)09521103001011(21)0003' --base http://127.0.0.1:8000 -o demo.svg`
    """
    thing = read_code(identifier)
    link = link_on(thing, base or settings_for().public_url or RESOLVER)
    drawn = qr.Label(link, _lines(human_readable(thing)), f"Label of {' '.join(human_readable(thing))}")
    kind = format_ or (Format.PNG if output.suffix.lower() == ".png" else Format.SVG)
    data = qr.png(drawn) if kind is Format.PNG else qr.svg(drawn).encode()
    if output == STDOUT and kind is Format.PNG and sys.stdout.isatty():
        raise typer.BadParameter("a PNG is no text for a terminal: give a file with --output", param_hint="--format")
    with writing(output, code="label.output") as out:
        out.file.write(data)
    if output != STDOUT:
        note(f"{output}: {link}")


def _lines(elements: tuple[str, ...]) -> tuple[str, ...]:
    whole = " ".join(elements)
    return (whole,) if len(whole) <= _ONE_LINE else elements
