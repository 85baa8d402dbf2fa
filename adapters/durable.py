"""Folders that are there after a power cut: what a folder gains is durable once the folder itself was synced."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def make_folders(folder: Path) -> set[Path]:
    """Make a folder and those above it that are missing, and return every folder that gained one: sync them."""
    gained, ancestor = set(), folder
    while not ancestor.is_dir():
        ancestor = ancestor.parent
        gained.add(ancestor)
    folder.mkdir(parents=True, exist_ok=True)
    return gained


def sync_folder(folder: Path) -> None:
    """Return when everything that the folder names is durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Return when a file's bytes are durable; its name is when its folder was synced."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Put a file in its place, wholly or not at all, durable on return; the caller sees to it that it is alone.

    What a writer that died has left beside it is overwritten.
    """
    changed = make_folders(path.parent) | {path.parent}
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    for folder in changed:
        sync_folder(folder)


def create_secret(path: Path, content: bytes) -> None:
    """Make a file that only its owner may read, durable on return, unless another process has made it meanwhile."""
    changed = make_folders(path.parent) | {path.parent}
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, does not replace what is there.
        with suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        Path(temporary).unlink()
    for folder in changed:
        sync_folder(folder)
