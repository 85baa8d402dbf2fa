"""`--output`: there wholly or not at all, and `-` is standard output."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from api.cli.output import STDOUT, writing
from traceability.errors import UnavailableError


def write(output: Path, pieces: Iterable[bytes], *, new: bool = False, kept: bool = True) -> None:
    with writing(output, code="test.output", new=new) as out:
        out.file.writelines(pieces)
        out.kept = kept


def ending() -> Iterator[bytes]:
    yield b"half"
    raise ValueError("no more")


def test_a_file_is_replaced_when_all_is_written(tmp_path: Path) -> None:
    file = tmp_path / "out"
    write(file, [b"one", b" two"])
    assert file.read_bytes() == b"one two"
    with pytest.raises(ValueError, match="no more"):
        write(file, ending())
    write(file, [b"unwanted"], kept=False)
    assert [(path, path.read_bytes()) for path in tmp_path.iterdir()] == [(file, b"one two")]


def test_a_new_file_replaces_nothing(tmp_path: Path) -> None:
    file = tmp_path / "out"
    write(file, [b"one"], new=True)
    with pytest.raises(UnavailableError, match="exists") as refused:
        write(file, [b"two"], new=True)
    assert refused.value.code == "test.output"
    with pytest.raises(UnavailableError, match="exists"), writing(file.with_name("b"), code="b.output", new=True):
        file.with_name("b").write_bytes(b"meanwhile")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"out": b"one", "b": b"meanwhile"}


def test_what_cannot_be_written_is_our_error(tmp_path: Path) -> None:
    for output in (tmp_path / "no" / "file", tmp_path):
        with pytest.raises(UnavailableError) as refused:
            write(output, [b"x"])
        assert refused.value.code == "test.output"


def test_standard_output(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(STDOUT, [b"one"])
    write(STDOUT, [b"unwanted"], kept=False)
    write(STDOUT, [b" two"], new=True)
    assert capfdbinary.readouterr().out == b"one two"
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write(pipe, [b"one"])
    reader.join()
    assert read == [b"one"]
    assert pipe.is_fifo()
