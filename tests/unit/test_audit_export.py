"""The audit export and its encryption: what goes in comes out, and no other bytes are taken for it."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.notary import MemoryLogDatabase
from adapters.system import SystemEntropy
from adapters.tiles import MemoryTileStore
from tests.support.logs import FIRST_POSITION, KEY, ORIGIN, MadeUpLog, StoppedClock, pallet_parts, stored_event
from traceability.ledger.commitment import part_commitments
from traceability.notary.age import CHUNK, TAG, Decrypted, encrypt
from traceability.notary.errors import VerificationError
from traceability.notary.export import AuditExport, Erasure, ExportHeader, Joined, write_export
from traceability.notary.log import Log
from traceability.notary.note import SigningKey
from traceability.notary.ports import LogIdentity, StoredEvent

PASSPHRASE = "correct horse battery"
QUICK = 2  # log₂ of scrypt's cost in these tests
ERASURE = Erasure(FIRST_POSITION, UUID(int=1), "request of 1 March", "data protection officer", 900)
# Made by another program: pyrage 1.3, passphrase.encrypt(b"a word of another program\n", PASSPHRASE).
FOREIGN = b64decode(
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBkSFZDamFRNGFXc1pnSFE0dWI4YnFBIDIwClZBRUtXWHRwbkhsQi93bHZ0U0xTMi96T3BE"
    "dmVISVlhNk16b3prNXVJYmsKLS0tIE9OWFllTm1yeHdWeGxTa25LbjkwKzczNDZDTFRobk1McVNrWWdqQ00vUWcKqJGN4/Amww5gr3B4/Yz83X77"
    "A4bXnkK+EpYPVbEA70ap9hh1eJUld/tZVqQz52wqMDsApQXzVHXpAg=="
)


def sealed(*plain: bytes) -> bytes:
    return b"".join(encrypt(plain, PASSPHRASE, SystemEntropy(), work=QUICK))


def opened(data: bytes, passphrase: str = PASSPHRASE) -> Decrypted:
    return Decrypted(lambda start, end: data[start:end], len(data), passphrase)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 3])
def test_what_is_encrypted_is_decrypted(size: int) -> None:
    plain = bytes(i % 251 for i in range(size))
    file = opened(sealed(plain[:7], b"", plain[7:]))
    assert (file.size, b"".join(file)) == (size, plain)
    assert file.read(CHUNK - 3, CHUNK + 3) == plain[CHUNK - 3 : CHUNK + 3]
    assert file.read(size, size + 1) == b""


def test_a_file_of_another_program_is_read() -> None:
    assert b"".join(opened(FOREIGN)) == b"a word of another program\n"


def test_another_passphrase_opens_nothing() -> None:
    with pytest.raises(VerificationError) as refused:
        opened(sealed(b"secret"), "another one")
    assert refused.value.code == "age.passphrase"


def test_a_byte_changed_anywhere_is_refused_and_named() -> None:
    data = sealed(bytes(2 * CHUNK + 5))
    start = len(data) - (2 * CHUNK + 5) - 3 * TAG
    # Every byte before the payload, and some of each chunk.
    places = [*range(start), start, start + CHUNK + TAG - 1, start + CHUNK + TAG, start + 2 * (CHUNK + TAG), -1]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(VerificationError) as refused:
            list(opened(bytes(changed)))
        if place >= start:
            assert refused.value.code == "age.damaged"
            assert f"chunk {(place - start) // (CHUNK + TAG)} " in refused.value.message
        elif place == -1:
            assert "chunk 2 " in refused.value.message
        else:
            assert refused.value.code.startswith("age.")


def test_a_file_cut_short_anywhere_is_refused() -> None:
    data = sealed(bytes(2 * CHUNK + 5))
    start = len(data) - (2 * CHUNK + 5) - 3 * TAG
    for end in (0, 30, start - 17, start - 1, start, start + 5, start + CHUNK + TAG, start + CHUNK + TAG + 3, -1):
        with pytest.raises(VerificationError) as refused:
            list(opened(data[:end]))
        assert refused.value.code in ("age.format", "age.truncated", "age.damaged")
    with pytest.raises(VerificationError, match="cut off after chunk 1"):
        opened(data[: start + 2 * (CHUNK + TAG)])
    with pytest.raises(VerificationError):
        list(opened(data + b"\0"))


def test_an_empty_last_chunk_is_refused() -> None:
    """Two files of one plain text: the standard has a whole chunk be the last one."""

    class Known:
        def token(self, size: int) -> bytes:
            return bytes(size)

    whole = b"".join(encrypt([bytes(CHUNK)], PASSPHRASE, Known(), work=QUICK))
    key = HKDF(algorithm=SHA256(), length=32, salt=bytes(16), info=b"payload").derive(bytes(16))
    chunks = [
        ChaCha20Poly1305(key).encrypt(bytes(11) + b"\0", bytes(CHUNK), None),
        ChaCha20Poly1305(key).encrypt(bytes(10) + b"\1\1", b"", None),
    ]
    assert b"".join(opened(whole)) == bytes(CHUNK)
    with pytest.raises(VerificationError, match="empty"):
        opened(whole[: -CHUNK - TAG] + b"".join(chunks))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_our_error(data: bytes) -> None:
    for given_ in (data, FOREIGN[:40] + data):
        with pytest.raises(VerificationError):
            opened(given_)


# The export inside


@pytest.fixture(scope="module")
def log() -> MadeUpLog:
    """Give a log of a pallet, an erased event and 300 more."""
    log = MadeUpLog([stored_event(0, pallet_parts(20))])
    log.grow(300)
    one = stored_event(7, pallet_parts(2))
    left = b"".join(part_commitments(one.parts, one.salt, one.personal_salt)[6:])
    log.records[7] = replace(one, personal_salt=left, parts=replace(one.parts, personal=b"", source=b""))
    log.integrate()
    return log


def header(size: int) -> ExportHeader:
    return ExportHeader("main", "main", ORIGIN, KEY.verifier.text, FIRST_POSITION, size, ("/a",), ({"name": "a"},))


def written(log: MadeUpLog, events: list[StoredEvent] | None = None, size: int = 300) -> list[bytes]:
    signed = log.database.last_signed()
    assert signed is not None
    return list(write_export(header(size), events or log.records, lambda: [ERASURE], signed.note))


def read(*plain: bytes, key: SigningKey = KEY) -> tuple[AuditExport, list[StoredEvent]]:
    export = AuditExport(opened(sealed(*plain)))
    return export, [event for _, event in export.verified(key.verifier)]


def test_an_export_gives_back_every_event_and_the_erasures(log: MadeUpLog) -> None:
    export, events = read(*written(log))
    assert events == log.records
    assert (export.header, export.erasures) == (header(300), [ERASURE])
    again = dict(export.verified(KEY.verifier))
    starts = {event.position: start for start, event in again.items()}
    for position in (FIRST_POSITION + 299, FIRST_POSITION, FIRST_POSITION + 7):
        assert export.event_at(starts[position], position) == log.records[position - FIRST_POSITION]


def changed_exports(log: MadeUpLog) -> Iterator[tuple[str, str, list[StoredEvent]]]:
    records = log.records

    def with_one(leaf: int, **members: object) -> list[StoredEvent]:
        return [*records[:leaf], replace(records[leaf], **members), *records[leaf + 1 :]]  # type: ignore[arg-type]

    parts = records[0].parts
    yield "log.leaf", "leaf 0 ", with_one(0, parts=replace(parts, why=b"{}"))
    yield "log.leaf", "leaf 0 ", with_one(0, parts=replace(parts, what=parts.what[1:]))
    yield "log.leaf", "leaf 5 ", with_one(5, salt=bytes(32))
    yield "log.leaf", "leaf 299 ", with_one(299, event_id=UUID(int=9))
    yield "log.leaf", "leaf 299 ", with_one(299, recorded_at=records[299].recorded_at + 1)
    yield "log.time", "leaf 9 ", with_one(9, recorded_at=1)
    yield "log.time", "leaf 299 .* 9999", with_one(299, recorded_at=1 << 60)
    yield "log.erased_content", "leaf 7 ", with_one(7, parts=replace(records[7].parts, source=b"<a/>"))
    yield "log.time", "leaf 4 ", [*records[:3], records[4], records[3], *records[5:]]
    yield "log.root", "299 events", records[:-1]
    yield "log.root", "301 events", [*records, records[-1]]
    yield "log.root", "300 events", [*records[:-1], stored_event(999)]


def test_a_log_that_is_not_the_signed_one_is_refused_and_the_first_bad_leaf_named(log: MadeUpLog) -> None:
    for code, named, events in changed_exports(log):
        with pytest.raises(VerificationError, match=named) as refused:
            read(*written(log, events))
        assert refused.value.code == code


def test_the_checkpoint_is_checked(log: MadeUpLog) -> None:
    for key, code in (
        (SigningKey(ORIGIN, bytes(32)), "log.unverified_note"),
        (SigningKey("other.example/log", KEY.seed), "log.unverified_note"),
    ):
        with pytest.raises(VerificationError) as refused:
            read(*written(log), key=key)
        assert refused.value.code == code
    with pytest.raises(VerificationError) as refused:
        read(*written(log, size=299))
    assert refused.value.code == "log.origin"


def test_frames_that_are_missing_doubled_or_moved_are_refused(log: MadeUpLog) -> None:
    magic, head, *events, erasure, note = written(log)
    for frames in (
        [],
        [magic],
        [magic, head],
        [magic, *events, note],
        [b"trace-audit/2\n", head, *events, note],
        [magic, head, *events, erasure],
        [magic, head, *events, note, note],
        [magic, head, *events, note, b"C"],
        [magic, head, *events[:-1], erasure, events[-1], note],
        [magic, head, head, *events, note],
        [magic, head, *events, note[:-1]],
        [magic, head, *events, b"X" + note[1:]],
    ):
        with pytest.raises(VerificationError):
            read(*frames)
    assert len(read(magic, head, *events, note)[1]) == 300


NEXT = SigningKey("dairy.example/next", bytes(range(1, 33)))


def next_log(key: SigningKey = NEXT, first: int = 300, ledger: str = "main") -> list[bytes]:
    """Export a log of twenty events that goes on behind the 300 of the other."""
    records = [stored_event(i) for i in range(first, first + 20)]
    start = FIRST_POSITION + first
    database = MemoryLogDatabase(LogIdentity("next", key.name, key.verifier.text, start), records)
    Log(database, MemoryTileStore(), key, StoppedClock()).integrate()
    signed = database.last_signed()
    assert signed is not None
    told = ExportHeader(ledger, "next", key.name, key.verifier.text, start, 20)
    return list(write_export(told, records, list, signed.note))


def test_logs_that_follow_each_other_are_read_as_one_from_one_file_or_several(log: MadeUpLog) -> None:
    first, second = written(log), next_log()
    for files in ([[*first, *second]], [first, second]):
        export = AuditExport(Joined([opened(sealed(*plain)) for plain in files]))
        assert len(list(export.verified(NEXT.verifier, KEY.verifier))) == 320
        read_back = list(export.verified(KEY.verifier, NEXT.verifier))
        assert [event.position for _, event in read_back] == [FIRST_POSITION + i for i in range(320)]
        assert (export.size, len(export.headers), export.erasures) == (320, 2, [ERASURE])
        for start, event in (read_back[0], read_back[299], read_back[300], read_back[319]):
            assert export.event_at(start, event.position) == event


@pytest.mark.parametrize("joined", [True, False])
def test_logs_that_do_not_follow_each_other_are_refused(log: MadeUpLog, *, joined: bool) -> None:
    first = written(log)
    for sections, keys, code in (
        ([first, next_log()], [KEY], "log.unverified_note"),
        ([first, next_log()], [NEXT], "log.unverified_note"),
        ([first, next_log(first=301)], [KEY, NEXT], "audit.chain"),
        ([first, next_log(first=299)], [KEY, NEXT], "audit.chain"),
        ([next_log(), first], [KEY, NEXT], "audit.chain"),
        ([first, first], [KEY], "audit.chain"),
        ([first, next_log(ledger="other")], [KEY, NEXT], "audit.chain"),
        ([first, next_log(key=KEY)], [KEY], "audit.chain"),
        ([first, next_log(), [b"x"]], [KEY, NEXT], "audit.format"),
        ([first, next_log()[:-1]], [KEY, NEXT], "audit.format"),
        ([first[:-1], next_log()], [KEY, NEXT], "audit.format"),
    ):
        files = sections if not joined else [[frame for section in sections for frame in section]]
        export = AuditExport(Joined([opened(sealed(*plain)) for plain in files]))
        with pytest.raises(VerificationError) as refused:
            list(export.verified(*(key.verifier for key in keys)))
        assert refused.value.code == code


@given(st.lists(st.binary(max_size=9), max_size=5), st.integers(0, 30), st.integers(0, 30))
def test_joined_texts_are_read_from_any_place(texts: list[bytes], start: int, length: int) -> None:
    joined = Joined([Text(text) for text in texts])
    whole = b"".join(texts)
    assert joined.size == len(whole)
    assert joined.read(start, start + length) == whole[start : start + length]


class Text:
    def __init__(self, text: bytes) -> None:
        self.size, self._text = len(text), text

    def read(self, start: int, end: int) -> bytes:
        return self._text[start:end]


@given(st.data())
def test_no_frame_of_any_form_raises_another_error(data: st.DataObject) -> None:
    magic, head, event, note = (*written(MADE, MADE.records, 1)[:3], written(MADE, MADE.records, 1)[-1])
    frames = [head, event, note]
    number = data.draw(st.integers(0, 2))
    body = bytearray(frames[number][5:])
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(body[: data.draw(st.integers(0, len(body)))]) if data.draw(st.booleans()) else bytes(body)
    frames[number] = frames[number][:1] + len(cut).to_bytes(4, "big") + cut
    try:
        read(magic, *frames)
    except VerificationError:
        return
    assert number == 0 or cut == written(MADE, MADE.records, 1)[(2, -1)[number - 1]][5:]


MADE = MadeUpLog([stored_event(0, pallet_parts(3))])
MADE.integrate()


@given(
    st.dictionaries(
        st.sampled_from(["position", "event_id", "reason", "authority", "redacted_by", "x"]),
        st.none() | st.integers() | st.text(),
    )
)
def test_an_erasure_of_any_form_is_read_or_refused(members: dict[str, object]) -> None:
    for given_ in (members, {**ERASURE.members(), **members}, list(members)):
        try:
            erasure = Erasure.of(given_)
        except VerificationError:
            continue
        assert Erasure.of(erasure.members()) == erasure
