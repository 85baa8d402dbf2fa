"""A second signature of checkpoints, ML-DSA-44: read by PyPI tlog-scales, and read by us when tlog-scales made it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlog_scales.signing import MLDSA44CosignatureSigner, Vkey
from tlog_scales.tlog import Checkpoint as TheirCheckpoint

from tests.support.logs import KEY, MadeUpLog, StoppedClock, stored_event
from traceability.merkle import EMPTY_ROOT
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.errors import VerificationError
from traceability.notary.fsck import check_database, check_files
from traceability.notary.log import Log, prove
from traceability.notary.note import VerifierKey, open_note, split_note
from traceability.notary.receipt import open_event
from traceability.notary.signers import MLDSAKey, TwoSigners
from traceability.notary.verify import verify_receipt

MORE = MLDSAKey(KEY.name, bytes(range(32, 64)))
BOTH = TwoSigners(KEY, MORE)
TEXT = Checkpoint(KEY.name, 0, EMPTY_ROOT).text()


@pytest.fixture(scope="module")
def published() -> tuple[MadeUpLog, bytes]:
    made_up = MadeUpLog()
    made_up.grow(300)
    Log(made_up.database, made_up.tiles, BOTH, StoppedClock()).integrate()
    note = made_up.tiles.served
    assert note is not None
    return made_up, note


def test_tlog_scales_verifies_both_signatures(published: tuple[MadeUpLog, bytes]) -> None:
    theirs = TheirCheckpoint.from_text(published[1].decode())
    assert [signature.key_id.to_bytes(4) for signature in theirs.signatures] == [
        KEY.verifier.key_id,
        MORE.verifier.key_id,
    ]
    for key in (KEY.verifier, MORE.verifier):
        theirs.verify(Vkey.from_string(key.text))
    other = MLDSAKey(KEY.name, bytes(32)).verifier
    with pytest.raises(Exception):  # noqa: B017, PT011 - theirs
        theirs.verify(Vkey.from_string(other.text))


def test_what_tlog_scales_signs_we_verify_with_its_time() -> None:
    signer = MLDSA44CosignatureSigner("witness.example/w1", bytes(32))
    key = VerifierKey.parse(signer.vkey.serialize())  # type: ignore[no-untyped-call]
    line = signer.sign(TheirCheckpoint.from_text(KEY.sign(TEXT))).serialize()
    note = open_note(f"{KEY.sign(TEXT)}{line}\n".encode(), (KEY.verifier, key))
    (_, signature) = note.verified[1]
    assert note.verified[1][0] == key
    assert (key.timestamp(signature) or 0) > 1_700_000_000


def test_a_receipt_holds_under_either_key(published: tuple[MadeUpLog, bytes]) -> None:
    made_up, _ = published
    event = made_up.records[7]
    opening = open_event(
        event.event_id, event.recorded_at, event.parts, event.salt, event.personal_salt, extent=(), items=()
    )
    receipt = prove(made_up.tiles, KEY.verifier, 7, opening).text().encode()
    for key in (KEY.verifier, MORE.verifier):
        verified = verify_receipt(receipt, key)
        assert (verified.index, verified.cosignatures) == (7, ())
    for report in (check_database(made_up.database), check_files(made_up.database, made_up.tiles)):
        assert report.clean, report.findings


def test_of_two_notes_of_one_size_the_first_stays(published: tuple[MadeUpLog, bytes]) -> None:
    """ML-DSA signs differently each time, and the database keeps one note."""
    assert BOTH.sign(TEXT) != BOTH.sign(TEXT)
    made_up, note = published
    made_up.tiles.served = None
    Log(made_up.database, made_up.tiles, BOTH, StoppedClock()).integrate()
    assert made_up.tiles.served == note


def test_a_signature_that_does_not_verify_rejects_the_note() -> None:
    note = BOTH.sign(TEXT)
    other = BOTH.sign(Checkpoint(KEY.name, 1, stored_event(0).leaf_hash).text())
    mixed = note.splitlines(keepends=True)[:-1] + other.splitlines(keepends=True)[-1:]
    for key in (MORE.verifier, KEY.verifier):
        open_checkpoint(note.encode(), key)
    open_checkpoint("".join(mixed).encode(), KEY.verifier)
    with pytest.raises(VerificationError):
        open_checkpoint("".join(mixed).encode(), KEY.verifier, [MORE.verifier])


def test_texts_that_it_does_not_cover_are_not_signed() -> None:
    for text in (TEXT + "extension\n", "origin\n", "\n".join(["o" * 256, *TEXT.split("\n")[1:]])):
        with pytest.raises(VerificationError):
            MORE.signature(text)
        assert not MORE.verifier.accepts(text, MORE.signature(TEXT))
    with pytest.raises(VerificationError):
        MLDSAKey("o" * 256, bytes(32)).signature(TEXT)


@given(st.integers(0, 2427), st.integers(1, 255))
def test_a_signature_with_another_byte_is_another_signature(at: int, flip: int) -> None:
    signature = MORE.signature(TEXT)
    payload = bytearray(signature.payload)
    payload[at] ^= flip
    assert not MORE.verifier.accepts(TEXT, type(signature)(signature.name, signature.key_id, bytes(payload)))
    for wrong in (signature.payload[:-1], signature.payload + b"\0", b""):
        assert not MORE.verifier.accepts(TEXT, type(signature)(signature.name, signature.key_id, wrong))


@given(st.binary(min_size=1312, max_size=1312))
def test_any_bytes_may_claim_to_be_a_key(public_key: bytes) -> None:
    key = VerifierKey(KEY.name, MORE.verifier.algorithm, public_key)
    assert VerifierKey.parse(key.text) == key
    _, signatures = split_note(BOTH.sign(TEXT).encode())
    assert not key.accepts(TEXT, signatures[1])


def test_the_key_is_stored_and_read_back() -> None:
    assert MLDSAKey.parse(MORE.text) == MORE
    for text in (KEY.text, MORE.text[:-4], MORE.text.replace("dairy", "other"), "", "PRIVATE+KEY+"):
        with pytest.raises(VerificationError):
            MLDSAKey.parse(text)


def test_where_it_is_not_available_the_reader_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    note = BOTH.sign(TEXT)
    monkeypatch.setattr("traceability.notary.mldsa.AVAILABLE", False)
    open_checkpoint(note.encode(), KEY.verifier)
    with pytest.raises(VerificationError) as caught:
        open_checkpoint(note.encode(), VerifierKey.parse(_VKEY))
    assert caught.value.code == "log.no_ml_dsa"


_VKEY = MORE.verifier.text
