"""The certificate of a piece of evidence as PDF/A, with its receipt attached."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

import orjson
import typst

_TEMPLATE: Final = "certificate.typ"
# Archives want PDF/A; part 3 is the one that may have files attached.
_STANDARD: Final = "a-3b"


def certificate_pdf(certificate: Mapping[str, object], receipt: str, qr: str) -> bytes:
    """Return the certificate; the same values always give the same bytes.

    `certificate` has as text `registered_by_name`, `recorded_at`, `sha256`, `origin`, `index`, `size`, `root`, `vkey`,
    `event_id`; `facts`, further lines of the table as pairs of texts; and `day`, year, month and day of the document.
    `qr` is an SVG document.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {
            _TEMPLATE: files("adapters.documents").joinpath(_TEMPLATE).read_bytes(),
            "certificate.json": orjson.dumps(certificate),
            "receipt.tlog-proof": receipt.encode(),
            "qr.svg": qr.encode(),
        }.items():
            Path(folder, name).write_bytes(content)
        return _compiled(str(Path(folder, _TEMPLATE)), folder)


def _compiled(template: str, folder: str) -> bytes:
    try:
        pdf: bytes = typst.compile(template, root=folder, pdf_standards=_STANDARD, ignore_system_fonts=True)
    except typst.TypstError:
        # PDF/A refuses letters that no font has: those that come with Typst do not have every script.
        pdf = typst.compile(template, root=folder)
    return pdf
