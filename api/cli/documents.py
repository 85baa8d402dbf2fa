"""The documents that a command is given: files, folders, archives or standard input."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import typer

from adapters.feeds.spool import Spool, Upload
from adapters.feeds.unpack import Limits, is_packed
from api.capture.receive import files_of
from api.settings import Settings
from traceability.errors import NotFoundError

_CHUNK: Final = 1 << 20
_STDIN: Final = Path("-")

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE", help="EPCIS in JSON, JSON-LD or XML, plain, gzip or zip; a folder of such files; - is stdin."
    ),
]


def documents_of(files: list[Path], settings: Settings, stack: ExitStack) -> Iterator[tuple[str, Path]]:
    """Yield the name of each document and a plain file of it; what is packed or piped goes to a temporary folder."""
    spool = Spool(Path(stack.enter_context(tempfile.TemporaryDirectory())), Limits(settings.capture_max_bytes))
    for number, file in enumerate(files_of(files)):
        if file != _STDIN and not is_packed(_existing(file)):
            yield str(file), file
            continue
        with spool.receiving(UUID(int=number)) as upload:
            receive([file], upload)
            received = upload.done()
            upload.kept = True
        for i, name in enumerate(received.documents):
            yield name, spool.document(UUID(int=number), i)


def receive(files: list[Path], upload: Upload) -> None:
    """Hand on the bytes of files; raises `NotFoundError` (`feed.file`)."""
    for file in files_of(files):
        with ExitStack() as stack:
            source = sys.stdin.buffer if file == _STDIN else stack.enter_context(_existing(file).open("rb"))
            out = stack.enter_context(upload.file(str(file)))
            while piece := source.read(_CHUNK):
                out.write(piece)


def _existing(file: Path) -> Path:
    try:
        file.open("rb").close()
    except OSError as error:
        raise NotFoundError(
            f"Cannot read {file}: {error.strerror or error}", code="feed.file", hint="Give the path of a file, or -."
        ) from error
    return file
