"""What is sent becomes plain documents of a job: durable before the job is, within limits, under no name of its own."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.feeds.spool import Received, Spool
from adapters.feeds.unpack import Limits, is_packed, unpacked
from tests.support.crashes import Crash
from tests.support.disks import Fault, FaultyDisk, Platter
from tests.support.epcis_events import document, event
from traceability.errors import BusyError, InvalidInputError, TooLargeError, UnavailableError

JOB = UUID("019ca877-0c1b-7000-8000-000000000001")
LIMITS = Limits(bytes=1 << 30)
MEGABYTE = 1 << 20
FIRST, SECOND = document(event()), document(event(bizStep="shipping"))


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "data" / "spool", LIMITS)


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files:
            with pytest.warns(UserWarning, match="Duplicate") if name in archive.namelist() else nullcontext():
                archive.writestr(name, content)
    return out.getvalue()


def sent(spool: Spool, *files: tuple[str, bytes], job: UUID = JOB) -> Received:
    with spool.receiving(job) as upload:
        for name, content in files:
            with upload.file(name) as out:
                out.write(content[:7])
                out.write(content[7:])
        received = upload.done()
        upload.kept = True
    return received


def stored(spool: Spool, received: Received, job: UUID = JOB) -> list[bytes]:
    return [spool.document(job, i).read_bytes() for i in range(len(received.documents))]


def refused(spool: Spool, content: bytes) -> str:
    """Return the code with which something is refused; nothing of it stays."""
    with pytest.raises(InvalidInputError) as caught:
        sent(spool, ("sent", content))
    assert list(spool.folder.iterdir()) == []
    assert "\n" not in caught.value.message
    return caught.value.code


def test_documents_are_there_as_they_came(spool: Spool) -> None:
    received = sent(spool, ("a.json", FIRST), ("b.jsonld", SECOND))
    assert received.documents == ("a.json", "b.jsonld")
    assert stored(spool, received) == [FIRST, SECOND]
    assert received.size == len(FIRST) + len(SECOND)
    assert sorted(path.name for path in (spool.folder / str(JOB)).iterdir()) == ["0", "1"]


def test_the_digest_is_of_what_came_not_of_what_it_unpacks_to(spool: Spool) -> None:
    ids = [UUID(int=n) for n in range(3)]
    plain, again = (sent(spool, ("a", FIRST), job=one) for one in ids[:2])
    packed = sent(spool, ("a", gzip.compress(FIRST)), job=ids[2])
    assert plain.digest == again.digest != packed.digest


@pytest.mark.parametrize("content", [FIRST, b"", b"P", b"\x1f", b"PK", b"not json"])
def test_what_is_no_archive_is_a_document_whatever_it_holds(spool: Spool, content: bytes) -> None:
    assert stored(spool, sent(spool, ("a.json", content))) == [content]


def test_archives_are_unpacked(spool: Spool) -> None:
    archive = zipped(
        ("deep/er/first.json", FIRST), ("second.jsonld", SECOND), ("readme.txt", b"no document"), ("folder/", b""),
        ("__MACOSX/deep/er/._first.json", b"\x00\x05\x16\x07 a fork"),
    )  # fmt: skip
    received = sent(spool, ("day.json.gz", gzip.compress(FIRST) + gzip.compress(b" ")), ("feed.zip", archive))
    assert received.documents == ("day.json", "deep/er/first.json", "second.jsonld")
    assert stored(spool, received) == [FIRST + b" ", FIRST, SECOND]
    assert not (spool.folder / str(JOB) / "upload").exists()


def test_documents_of_one_name_are_each_unpacked(spool: Spool) -> None:
    received = sent(spool, ("feed.zip", zipped(("a.json", FIRST), ("a.json", SECOND))))
    assert received.documents == ("a.json", "a.json")
    assert stored(spool, received) == [FIRST, SECOND]


def test_no_name_leads_out_of_the_spool(spool: Spool, tmp_path: Path) -> None:
    names = ["../../../up.json", "/root.json", "..\\up.json", "C:\\root.json", "a/../../b.json", "\udcff.json"]
    archive = zipped(*((name, FIRST) for name in names[:-1]))
    received = sent(spool, ("../../x.zip", archive), (names[-1], SECOND))
    assert set(tmp_path.rglob("*")) - {tmp_path / "data", spool.folder, spool.folder / str(JOB)} == {
        spool.document(JOB, i) for i in range(len(names))
    }
    assert received.documents[-1] == "?.json"


def test_a_name_that_is_no_text_damages_the_archive(spool: Spool) -> None:
    damaged = zipped(("näme.json", FIRST)).replace("ä".encode(), b"\xff\xfe")
    assert refused(spool, damaged) == "capture.archive"


def encrypted() -> bytes:
    plain = bytearray(zipped(("a.json", FIRST)))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        plain[plain.index(signature) + offset] |= 1  # APPNOTE 4.4.4: bit 0, the file is encrypted
    return bytes(plain)


def changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(encrypted(), id="encrypted"),
        pytest.param(zipped(), id="without files"),
        pytest.param(zipped(("a.txt", FIRST)), id="without documents"),
        pytest.param(zipped(("a.json", FIRST))[:-10], id="zip cut short"),
        pytest.param(changed(zipped(("a.json", FIRST)), 60), id="zip damaged"),
        pytest.param(zipped(("a.json", FIRST), method=zipfile.ZIP_BZIP2), id="bzip2 inside"),
        pytest.param(zipped(("a.json", FIRST), method=zipfile.ZIP_LZMA), id="lzma inside"),
        pytest.param(zipped(*((f"{n}.json", b"") for n in range(10_001))), id="too many documents"),
        pytest.param(b"PK\x03\x04", id="only the signature of a zip"),
        pytest.param(b"\x1f\x8b", id="only the signature of a gzip"),
        pytest.param(gzip.compress(FIRST)[:-5], id="gzip cut short"),
        pytest.param(changed(gzip.compress(FIRST), 30), id="gzip damaged"),
        pytest.param(changed(gzip.compress(FIRST), len(gzip.compress(FIRST)) - 6), id="gzip with a wrong checksum"),
        pytest.param(gzip.compress(FIRST) + b"{}", id="gzip with something behind it"),
    ],
)
def test_a_damaged_or_foreign_archive_is_refused(spool: Spool, content: bytes) -> None:
    assert refused(spool, content) == "capture.archive"


def test_a_directory_that_would_fill_the_memory_is_not_read(spool: Spool) -> None:
    size = 100 * MEGABYTE
    end = b"PK\x05\x06" + bytes(4) + (1).to_bytes(2, "little") * 2 + size.to_bytes(4, "little") + bytes(4) + bytes(2)
    assert refused(spool, b"PK\x03\x04" + bytes(size - 4) + end) == "capture.archive"


def zeros(size: int) -> Iterator[bytes]:
    for _ in range(size // MEGABYTE):
        yield bytes(MEGABYTE)


def gzip_bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([packer.compress(piece) for piece in zeros(size)]) + packer.flush()


def zip_bomb(size: int, files: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(files):
            with archive.open(f"{n}.json", "w") as stream:
                for piece in zeros(size // files):
                    stream.write(piece)
    return out.getvalue()


def save_all(packed: Path, folder: Path) -> None:
    for i, one in enumerate(unpacked(packed, packed.name, LIMITS)):
        one.save(folder / str(i))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(gzip_bomb(256 * MEGABYTE), id="gzip"),
        pytest.param(zip_bomb(256 * MEGABYTE, 1), id="zip"),
        pytest.param(zip_bomb(256 * MEGABYTE, 64), id="zip of many"),
    ],
)
def test_a_bomb_is_refused_before_it_fills_anything(spool: Spool, tmp_path: Path, content: bytes) -> None:
    """The files of an archive count together; what a small one may unpack to is 16 MiB, or 200 times its size."""
    bomb = tmp_path / "bomb"
    bomb.write_bytes(content)
    allowed = max(16 * MEGABYTE, 200 * len(content))
    assert allowed < 64 * MEGABYTE
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInputError) as caught:
            save_all(bomb, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 8 * MEGABYTE
    finally:
        tracemalloc.stop()
    assert caught.value.code == "capture.ratio"
    assert sum(path.stat().st_size for path in tmp_path.iterdir() if path != bomb) <= allowed
    assert refused(spool, content) == "capture.ratio"


def test_what_packs_well_honestly_is_taken(spool: Spool) -> None:
    whole = document(*([event()] * 20_000))
    packed = gzip.compress(whole)
    assert len(whole) > 100 * len(packed)
    assert stored(spool, sent(spool, ("a.gz", packed))) == [whole]


def test_an_upload_has_an_end(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Limits(bytes=len(FIRST)))
    sent(spool, ("a.json", FIRST))
    with pytest.raises(TooLargeError) as caught:
        sent(spool, ("a.json", FIRST + b" "), job=UUID(int=2))
    assert caught.value.code == "capture.too_long"
    with pytest.raises(InvalidInputError) as packed:
        sent(spool, ("a.gz", gzip.compress(FIRST * 2)), job=UUID(int=3))
    assert packed.value.code == "capture.ratio"
    assert [path.name for path in tmp_path.iterdir()] == [str(JOB)]


def bounded(spool: Spool, most: int) -> Callable[[], int]:
    """Return what tells how many of `most` bytes are left."""
    return lambda: most - sum(map(spool.size, spool.jobs()))


def upload(spool: Spool, job: UUID, *content: bytes, most: int, announced: int = 0) -> None:
    upload_pieces(spool, job, content, most=most, announced=announced)


def upload_pieces(spool: Spool, job: UUID, pieces: Iterable[bytes], *, most: int, announced: int = 0) -> None:
    with spool.receiving(job, room=bounded(spool, most), announced=announced) as received:
        with received.file("a.json") as out:
            for piece in pieces:
                out.write(piece)
        received.done()
        received.kept = True


@pytest.mark.parametrize("announced", [0, 300])
def test_an_upload_takes_all_the_room_that_is_left_and_no_more(spool: Spool, announced: int) -> None:
    upload(spool, JOB, b"x" * 300, most=300, announced=announced)
    for told in (0, 1):
        with pytest.raises(BusyError) as caught:
            upload(spool, UUID(int=2), b"x", most=300, announced=told)
        assert caught.value.code == "capture.spool_full"
    assert spool.jobs() == {JOB}
    assert spool.size(JOB) == 300


@pytest.mark.parametrize("announced", [0, 40, 100])
def test_an_upload_is_cut_off_where_the_room_ends(spool: Spool, announced: int) -> None:
    """Also when it is longer than it was said to be."""
    asked: list[bytes] = []

    def tens() -> Iterator[bytes]:
        while True:
            asked.append(b"x" * 10)
            yield asked[-1]

    with pytest.raises(BusyError):
        upload_pieces(spool, JOB, tens(), most=100, announced=announced)
    assert len(asked) == 11
    assert list(spool.folder.iterdir()) == []


def test_what_is_announced_is_taken_from_the_beginning(spool: Spool) -> None:
    with spool.receiving(JOB, room=bounded(spool, 100), announced=80) as first, first.file("a") as out:
        out.write(b"x")
        assert spool.size(JOB) == 80
        with pytest.raises(BusyError):
            upload(spool, UUID(int=2), b"x" * 21, most=100)
        upload(spool, UUID(int=3), b"x" * 20, most=100)
        out.write(b"x" * 79)
    assert spool.jobs() == {UUID(int=3)}
    upload(spool, UUID(int=4), b"x" * 80, most=100)


def test_what_others_put_there_meanwhile_is_seen(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.feeds.spool._MEASURED", 200_000)

    def pieces() -> Iterator[bytes]:
        yield b"x" * 150_000  # more than a file object keeps to itself
        upload(spool, UUID(int=2), b"x" * 800_000, most=1_000_000)
        yield b"x" * 150_000

    with pytest.raises(BusyError):
        upload_pieces(spool, JOB, pieces(), most=1_000_000)
    assert spool.jobs() == {UUID(int=2)}


@pytest.mark.parametrize("content", [gzip.compress(FIRST * 50), zipped(*((f"{n}.json", FIRST) for n in range(50)))])
def test_what_an_archive_unpacks_to_takes_room_too(spool: Spool, content: bytes) -> None:
    whole = len(content) + 50 * len(FIRST)
    upload(spool, JOB, content, most=whole, announced=len(content))
    spool.remove(JOB)
    with pytest.raises(BusyError) as caught:
        upload(spool, JOB, content, most=whole - 1, announced=len(content))
    assert caught.value.code == "capture.spool_full"
    assert list(spool.folder.iterdir()) == []


packed_up = st.sampled_from([zipped(("a.json", FIRST), ("b/c.json", SECOND)), gzip.compress(FIRST)])


@given(packed_up, st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_no_bytes_of_an_archive_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, archive: bytes, damage: Sequence[tuple[int, int]]
) -> None:
    damaged = bytearray(archive)
    for at, byte in damage:
        damaged[at % len(damaged)] = byte
    spool = Spool(tmp_path_factory.getbasetemp() / "damaged", LIMITS)
    with suppress(InvalidInputError):
        received = sent(spool, ("a", bytes(damaged)))
        assert all(len(content) <= 16 * MEGABYTE for content in stored(spool, received))
    spool.remove(JOB)


# The folder


def test_nobody_else_may_look_into_the_spool(spool: Spool) -> None:
    umask = os.umask(0)
    try:
        sent(spool, ("a.json", FIRST))
    finally:
        os.umask(umask)
    for folder in (spool.folder, spool.folder / str(JOB)):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    spool.folder.chmod(0o755)
    sent(spool, ("a.json", FIRST), job=UUID(int=2))
    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700


FILES = [("a.json", FIRST), ("b.zip", zipped(("b.json", FIRST), ("c.json", SECOND)))]


def test_everything_is_durable_when_the_upload_is_done(tmp_path: Path) -> None:
    platter = Platter(tmp_path)
    # The second upload of a process meets a folder that it knows to be durable.
    spool, jobs = Spool(tmp_path / "data" / "spool", LIMITS, disk=FaultyDisk(platter)), [JOB, UUID(int=2)]
    received = [sent(spool, *FILES, job=job) for job in jobs]
    platter.cut(None)
    assert [stored(spool, *one) for one in zip(received, jobs, strict=True)] == [[FIRST, FIRST, SECOND]] * 2


@pytest.mark.parametrize("fault", [Fault.EIO, Fault.FULL, Fault.DIE, Fault.CUT], ids=lambda fault: fault.name)
def test_an_upload_is_done_or_it_fails_whatever_the_disk_does(tmp_path: Path, fault: Fault) -> None:
    whole = FaultyDisk(Platter(tmp_path))
    sent(Spool(tmp_path / "whole", LIMITS, disk=whole), *FILES)
    for at in range(1, len(whole.calls) + 1):
        root = tmp_path / str(at)
        root.mkdir()
        platter, received = Platter(root), None
        spool = Spool(root / "spool", LIMITS, disk=FaultyDisk(platter, fault, at))
        with suppress(UnavailableError, Crash):
            received = sent(spool, *FILES)
        if received is None and fault in (Fault.EIO, Fault.FULL):
            assert spool.jobs() == set()
        platter.cut(None)
        assert received is None or stored(spool, received) == [FIRST, FIRST, SECOND]
        # Nor does what is left of it stand in the way of being sent again.
        again = sent(Spool(root / "spool", LIMITS, disk=FaultyDisk(platter)), *FILES, job=UUID(int=2))
        assert stored(spool, again, UUID(int=2)) == [FIRST, FIRST, SECOND]


def broken_off(spool: Spool, error: BaseException, *, kept: bool) -> None:
    with spool.receiving(JOB) as upload:
        with upload.file("a.json") as out:
            out.write(FIRST)
        upload.done()
        upload.kept = kept
        raise error


def test_nothing_stays_of_an_upload_that_is_not_kept(spool: Spool) -> None:
    with pytest.raises(KeyboardInterrupt):
        broken_off(spool, KeyboardInterrupt(), kept=False)
    assert list(spool.folder.iterdir()) == []
    with spool.receiving(JOB) as upload:
        upload.done()
    assert list(spool.folder.iterdir()) == []


def test_what_is_kept_stays_whatever_happens_then(spool: Spool) -> None:
    """The job is in the database by now; without its documents it could only be refused."""
    with pytest.raises(KeyboardInterrupt):
        broken_off(spool, KeyboardInterrupt(), kept=True)
    assert spool.document(JOB, 0).read_bytes() == FIRST


def test_a_full_disk_is_an_error_that_says_so(spool: Spool) -> None:
    with pytest.raises(UnavailableError, match="No space left") as caught:
        broken_off(spool, OSError(28, "No space left on device"), kept=False)
    assert caught.value.code == "capture.spool"
    assert list(spool.folder.iterdir()) == []


def test_a_spool_that_cannot_be_made_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    spool = Spool(tmp_path / "file" / "spool", LIMITS)
    with pytest.raises(UnavailableError) as caught, spool.receiving(JOB):
        raise AssertionError("there is nowhere to put anything")
    assert caught.value.code == "capture.spool"


def test_strays_go_when_they_are_a_day_old(spool: Spool) -> None:
    old, young = UUID(int=1), UUID(int=2)
    for one in (old, young):
        sent(spool, ("a.json", FIRST), job=one)
    for path in (*(spool.folder / str(old)).iterdir(), spool.folder / str(old)):
        os.utime(path, (0, 0))
    assert spool.jobs() == {old, young}
    for one in (old, young, UUID(int=3)):
        spool.remove_if_stray(one)
    assert spool.jobs() == {young}
    spool.remove(young)
    spool.remove(young)
    assert Spool(spool.folder / "never made", LIMITS).jobs() == set()


def test_an_archive_is_known_by_how_it_begins(tmp_path: Path) -> None:
    for content, packed in ((gzip.compress(FIRST), True), (zipped(("a.json", b"")), True), (zipped(), True),
                            (FIRST, False), (b"", False), (b"PK", False), (b"{PK\x03\x04", False)):  # fmt: skip
        (tmp_path / "file").write_bytes(content)
        assert is_packed(tmp_path / "file") is packed
