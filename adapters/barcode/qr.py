"""QR codes of links, as SVG and PNG: the square, its quiet zone and the text that a person reads under it.

The quiet zone has the four modules that ISO/IEC 18004 asks for; error correction is of level M, which restores 15 % of
a scratched code. The same label always gives the same bytes of SVG: a label can be compared and kept under version
control.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from itertools import groupby
from typing import Final, TypeAlias

from PIL import Image, ImageDraw, ImageFont
from qrcode.constants import ERROR_CORRECT_M  # type: ignore[import-untyped]
from qrcode.exceptions import DataOverflowError  # type: ignore[import-untyped]
from qrcode.main import QRCode  # type: ignore[import-untyped]

from traceability.errors import InvalidInputError

QUIET_ZONE: Final = 4
"""Light modules around the symbol."""

_LINE_HEIGHT: Final = 3.2
_FONT_SIZE: Final = 2.2
# A glyph of a system sans-serif font is on average a little narrower than this part of its height.
_GLYPH_WIDTH: Final = 0.58
_WHITE, _BLACK = 255, 0

Matrix: TypeAlias = Sequence[Sequence[bool]]
"""Rows of modules, True is dark; without the quiet zone."""


@dataclass(frozen=True, slots=True)
class Label:
    """What is drawn: `link` goes into the code, `lines` are printed under it, `title` names it to a screen reader."""

    link: str
    lines: tuple[str, ...]
    title: str


def matrix(link: str) -> Matrix:
    """Return the modules of the smallest symbol that holds `link`.

    Raises `InvalidInputError` (`label.too_long`) for more than a QR code can hold, about 2,300 characters.
    """
    symbol = QRCode(error_correction=ERROR_CORRECT_M, border=0)
    symbol.add_data(link, optimize=0)
    try:
        symbol.make(fit=True)
    except (DataOverflowError, ValueError) as error:
        raise InvalidInputError("the link is too long for a QR code", code="label.too_long") from error
    return [[bool(module) for module in row] for row in symbol.get_matrix()]


def svg(label: Label) -> str:
    """Return the label as an SVG document whose user unit is one module."""
    modules = matrix(label.link)
    side = len(modules) + 2 * QUIET_ZONE
    size = _font_size(label.lines, side)
    height = side + _LINE_HEIGHT * len(label.lines)
    text = "".join(
        f'<text x="{side / 2:g}" y="{side + _LINE_HEIGHT * i - 0.6:g}">{escape(line)}</text>'
        for i, line in enumerate(label.lines, 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}mm" height="{height:g}mm" viewBox="0 0 {side} '
        f'{height:g}" role="img" aria-labelledby="title desc">'
        f'<title id="title">{escape(label.title)}</title><desc id="desc">QR code of {escape(label.link)}</desc>'
        f'<rect width="{side}" height="{height:g}" fill="#fff"/>'
        f'<path d="{_path(modules)}" fill="#000" shape-rendering="crispEdges"/>'
        f'<g font-family="system-ui, sans-serif" font-size="{size:g}" text-anchor="middle" fill="#000">{text}</g>'
        "</svg>\n"
    )


def png(label: Label, *, scale: int = 10) -> bytes:
    """Return the label as a grey PNG with `scale` pixels a module."""
    modules = matrix(label.link)
    side = len(modules) + 2 * QUIET_ZONE
    height = round((side + _LINE_HEIGHT * len(label.lines)) * scale)
    image = Image.new("L", (side * scale, height), _WHITE)
    draw = ImageDraw.Draw(image)
    for x, y, length in _runs(modules):
        draw.rectangle((x * scale, y * scale, (x + length) * scale - 1, (y + 1) * scale - 1), fill=_BLACK)
    font = ImageFont.load_default(_font_size(label.lines, side) * scale)
    for i, line in enumerate(label.lines):
        middle = (side * scale / 2, (side + _LINE_HEIGHT * (i + 0.4)) * scale)
        draw.text(middle, line, fill=_BLACK, font=font, anchor="mm")
    out = BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _runs(modules: Matrix) -> Iterator[tuple[int, int, int]]:
    """Return each horizontal run of dark modules as x, y and length, the quiet zone counted in."""
    for y, row in enumerate(modules, QUIET_ZONE):
        x = QUIET_ZONE
        for dark, run in groupby(row):
            length = len(list(run))
            if dark:
                yield x, y, length
            x += length


def _path(modules: Matrix) -> str:
    return "".join(f"M{x} {y}h{length}v1h-{length}z" for x, y, length in _runs(modules))


def _font_size(lines: Sequence[str], side: int) -> float:
    """Return the size, in modules, at which the longest line still fits."""
    longest = max((len(line) for line in lines), default=1)
    return round(min(_FONT_SIZE, (side - 2) / (longest * _GLYPH_WIDTH)), 2)
