"""The zip of a bundle: what we write is read by others, and whatever leaves a reader a choice is refused."""

from __future__ import annotations

import bz2
import io
import zipfile
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceability.notary import archive
from traceability.notary.archive import MAX_FILES, read_archive, write_archive
from traceability.notary.errors import VerificationError

names = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", fullmatch=True)
FILES = {"a.txt": b"first", "b": b"", "c.json": b"{}" * 100}


def written(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    write_archive(out, [(name, [content[:2], content[2:]]) for name, content in files.items()])
    return out.getvalue()


def zipped(write: Callable[[zipfile.ZipFile], object], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        write(file)
    return out.getvalue()


def refused(data: bytes, code: str = "bundle.zip") -> str:
    with pytest.raises(VerificationError) as caught:
        read_archive(data)
    assert caught.value.code == code
    return caught.value.message


@given(st.dictionaries(names, st.binary(max_size=300), max_size=6))
def test_what_is_written_is_read_again_and_by_others(files: dict[str, bytes]) -> None:
    data = written(files)
    assert data == written(files)
    assert read_archive(data) == files
    with zipfile.ZipFile(io.BytesIO(data)) as other:
        assert {name: other.read(name) for name in other.namelist()} == files
        assert {info.date_time for info in other.infolist()} <= {(1980, 1, 1, 0, 0, 0)}


def test_stored_files_are_read() -> None:
    def store(file: zipfile.ZipFile) -> None:
        for name, text in FILES.items():
            file.writestr(name, text)

    assert read_archive(zipped(store)) == FILES


@pytest.mark.parametrize("name", ["a/b", "/a", "..", ".a", "a b", "ä", "a" * 65, "a\\b", "a:b"])
def test_names_that_are_no_plain_file_are_refused(name: str) -> None:
    refused(zipped(lambda file: file.writestr(name, b"")))


def test_a_folder_is_refused() -> None:
    refused(zipped(lambda file: file.writestr("a/", b"")))


def test_a_name_that_comes_twice_is_refused() -> None:
    def twice(file: zipfile.ZipFile) -> None:
        file.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("a", b"2")

    assert "twice" in refused(zipped(twice))


def test_another_method_is_refused() -> None:
    assert bz2.compress(b"")  # there is one
    refused(zipped(lambda file: file.writestr("a", b"text"), zipfile.ZIP_BZIP2))


def test_a_comment_is_refused() -> None:
    refused(zipped(lambda file: setattr(file, "comment", b"more")))

    def of_a_file(file: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo("a")
        info.comment = b"more"
        file.writestr(info, b"")

    refused(zipped(of_a_file))


def test_extra_fields_are_refused() -> None:
    def extra(file: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo("a")
        info.extra = b"UT\x05\x00\x01\x00\x00\x00\x00"
        file.writestr(info, b"")

    refused(zipped(extra))


def test_sizes_after_the_content_are_refused() -> None:
    class Unseekable(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.data += bytes(data)  # type: ignore[call-overload]
            return len(bytes(data))  # type: ignore[call-overload]

    out = Unseekable()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("a", b"text")
    refused(out.data)


@pytest.mark.parametrize("at", ["before", "after", "between"])
def test_bytes_that_belong_to_no_file_are_refused(at: str) -> None:
    data = written(FILES)
    start = data.index(b"PK\x01\x02")
    refused({"before": b"x" + data, "after": data + b"x", "between": data[:start] + b"x" + data[start:]}[at])


def test_two_headers_that_differ_are_refused() -> None:
    data = written(FILES)
    assert "two headers" in refused(data.replace(b"a.txt", b"b.txt", 1))
    start = data.index(b"PK\x01\x02")
    refused(data[:start] + data[start:].replace(b"a.txt", b"b.txt", 1))


def test_a_checksum_or_size_that_is_not_that_of_the_content_is_refused() -> None:
    data = zipped(lambda file: file.writestr("a", b"first"))
    assert "checksum" in refused(data.replace(b"first", b"worst"))
    for size in (4, 6):  # of the unpacked content, in both headers
        packed = zipped(lambda file: file.writestr("a", b"first" * 9), zipfile.ZIP_DEFLATED)
        refused(packed.replace((45).to_bytes(4, "little"), (40 + size).to_bytes(4, "little")))


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked() -> None:
    bomb = zipped(lambda file: file.writestr("a", bytes(10_000_000)), zipfile.ZIP_DEFLATED)
    assert "too well" in refused(bomb, "bundle.too_large")


def test_too_many_files_or_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    most = {str(number): b"" for number in range(MAX_FILES)}
    assert read_archive(written(most)) == most
    refused(written({**most, "more": b""}), "bundle.too_large")
    monkeypatch.setattr(archive, "MAX_UNPACKED", 100)
    refused(written(FILES), "bundle.too_large")
    monkeypatch.setattr(archive, "MAX_PACKED", 100)
    refused(written(FILES), "bundle.too_large")


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: written(FILES)[:-30] + tail))
def test_any_bytes_are_read_or_refused_by_our_own_error(data: bytes) -> None:
    with suppress(VerificationError):
        read_archive(data)
