"""A second copy of a log's static files."""

from __future__ import annotations

import os
from pathlib import Path

from adapters.durable import make_folders
from adapters.tiles.files import CHECKPOINT, FileTileStore


def copy_log(log: FileTileStore, target: Path) -> None:
    """Copy a log that grows meanwhile into a folder: the checkpoint that is served at the end, with all of its tiles.

    Most is copied while the log grows, for files never change; writers wait only for the rest.
    """
    _copy_missing(log, target)
    with log.unchanging():
        _copy_missing(log, target)
        if (served := log.checkpoint()) is not None:
            _put(target / CHECKPOINT, served)
    os.sync()


def _copy_missing(log: FileTileStore, target: Path) -> None:
    for path in log.paths():
        if not (target / path).exists() and (content := log.read(path)) is not None:
            _put(target / path, content)


def _put(path: Path, content: bytes) -> None:
    # By another name first: half of a file would be taken for the whole one when this is begun anew.
    make_folders(path.parent)
    part = path.with_name(f".{path.name}.new")
    part.write_bytes(content)
    part.rename(path)
