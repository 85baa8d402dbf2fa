"""`--output`: a file that is there wholly or not at all, or `-`, standard output."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Final

import typer

from traceability.errors import UnavailableError

STDOUT: Final = Path("-")
OutputFile = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="Write it here; - is standard output.")
]
_COPIED: Final = 1 << 20


@dataclass
class Output:
    """What is written to; nothing of it stays unless it is `kept`."""

    file: IO[bytes]
    kept: bool = True


@contextmanager
def writing(output: Path, *, code: str, new: bool = False) -> Iterator[Output]:
    """Give what becomes the output when the context ends well: a file, or standard output for `-`.

    With `new` a file that is there already stays as it is. Raises `UnavailableError` with `code` when it cannot be
    written.
    """
    try:
        # What is no plain file, /dev/stdout or a pipe, must be written to: a rename would put a file in its place.
        if output == STDOUT or (output.exists() and not output.is_file()):
            with tempfile.TemporaryFile() as file:
                out = Output(file)
                yield out
                if out.kept:
                    _send(file, output)
            return
        if new and output.exists():
            raise FileExistsError(None, "File exists", str(output))
        part = output.with_name(f".{output.name}.part")
        try:
            with part.open("wb") as file:
                out = Output(file)
                yield out
            if out.kept and new:
                output.hardlink_to(part)
            elif out.kept:
                part.replace(output)
        finally:
            part.unlink(missing_ok=True)
    except BrokenPipeError:
        raise  # whoever reads standard output has enough
    except OSError as error:
        raise UnavailableError(
            f"Cannot write {output}: {error.strerror or error}", code=code, hint="Choose another file."
        ) from error


def _send(file: IO[bytes], output: Path) -> None:
    file.seek(0)
    with nullcontext(sys.stdout.buffer) if output == STDOUT else output.open("wb") as out:
        shutil.copyfileobj(file, out, _COPIED)
        out.flush()
