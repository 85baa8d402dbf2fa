"""Timestamps of checkpoints: which bytes, and what is refused. The authority and the second verifier are openssl's."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from tests.support.logs import KEY, ORIGIN
from tests.support.tsa import YEAR, Authority, needs_openssl
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.errors import VerificationError
from traceability.notary.note import SigningKey
from traceability.notary.ports import SignedCheckpoint, StoredTimestamp
from traceability.notary.timestamp import (
    MAX_RESPONSE,
    Timestamp,
    check_timestamps,
    read_roots,
    stamped_bytes,
    verify_timestamp,
)

CHECKPOINT = Checkpoint(ORIGIN, 5, bytes(range(32)))
NOTE = KEY.sign(CHECKPOINT.text()).encode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    needs_openssl()
    return Authority(tmp_path_factory.mktemp("tsa"))


@pytest.fixture(scope="module")
def response(authority: Authority) -> bytes:
    return authority.answer(request(NOTE))


def request(data: bytes, algorithm: HashAlgorithm = HashAlgorithm.SHA256) -> bytes:
    return TimestampRequestBuilder().data(data).hash_algorithm(algorithm).build().as_bytes()


def refusal(authority: Authority, response: bytes, data: bytes = NOTE, nonce: int | None = None) -> str:
    with pytest.raises(VerificationError) as caught:
        verify_timestamp(response, data, [authority.root], nonce)
    return caught.value.code


def test_what_is_stamped_is_the_note_with_the_log_s_own_signature() -> None:
    assert stamped_bytes(NOTE, KEY.verifier) == NOTE
    witness = SigningKey("witness.example", bytes(32))
    line = witness.sign(CHECKPOINT.text()).partition("\n\n")[2].encode()
    text, blank, ours = NOTE.partition(b"\n\n")
    for cosigned in (NOTE + line, text + blank + line + ours):
        assert stamped_bytes(cosigned, KEY.verifier) == NOTE
    with pytest.raises(VerificationError):
        stamped_bytes(NOTE, witness.verifier)


def test_a_timestamp_says_when_and_who(authority: Authority, response: bytes) -> None:
    stamped = verify_timestamp(response, NOTE, [authority.root])
    assert (stamped.accuracy, stamped.authority, stamped.policy) == (1_500_000, "CN=Test TSA", "1.2.3.4.1")
    assert 1_700_000_000_000_000 < stamped.at < 10**16
    assert "existed at" in stamped.line()


def test_openssl_agrees(authority: Authority, response: bytes, tmp_path: Path) -> None:
    (tmp_path / "5.tsr").write_bytes(response)
    for content, code in ((NOTE, 0), (NOTE + b"\n", 1)):
        (tmp_path / "5.checkpoint").write_bytes(content)
        command = ["openssl", "ts", "-verify", "-data", "5.checkpoint", "-in", "5.tsr", "-CAfile"]
        done = subprocess.run([*command, authority.roots_file], cwd=tmp_path, check=False, capture_output=True)
        assert done.returncode == code, done.stderr


def test_what_is_of_other_bytes_or_another_request_is_refused(authority: Authority, response: bytes) -> None:
    assert refusal(authority, response, NOTE + b"\n") == "timestamp.imprint"
    assert refusal(authority, response, nonce=1) == "timestamp.nonce"
    assert refusal(authority, authority.answer(request(NOTE, HashAlgorithm.SHA512))) == "timestamp.imprint"


def test_the_right_digest_of_another_algorithm_is_refused(authority: Authority) -> None:
    command = ["openssl", "ts", "-query", "-sha512-256", "-cert", "-digest", sha256(NOTE).hexdigest()]
    query = subprocess.run(command, check=True, capture_output=True).stdout
    assert refusal(authority, authority.answer(query)) == "timestamp.imprint"


def test_foreign_and_expired_certificates_are_refused(authority: Authority, response: bytes, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    assert refusal(other, response) == "timestamp.certificate"
    expired = Authority(tmp_path / "expired", valid=(-YEAR, -timedelta(days=1)))
    assert refusal(expired, expired.answer(request(NOTE))) == "timestamp.certificate"
    with pytest.raises(VerificationError) as caught:
        verify_timestamp(response, NOTE, [])
    assert caught.value.code == "timestamp.roots"
    # Another authority's root beside ours does no harm, even under the same name.
    for roots in ([other.root, authority.root], [authority.root, other.root], [other.root, other.root, authority.root]):
        assert verify_timestamp(response, NOTE, roots).authority == "CN=Test TSA"


def test_a_refusal_of_the_authority_is_told(authority: Authority) -> None:
    assert refusal(authority, authority.answer(b"nonsense")) == "timestamp.refused"


@pytest.mark.parametrize("garbage", [b"", b"0", b"<html>", bytes(100), b"\x30\x80" * 50, bytes(MAX_RESPONSE + 1)])
def test_garbage_is_refused(authority: Authority, garbage: bytes) -> None:
    assert refusal(authority, garbage) == "timestamp.malformed"


@given(data=st.data())
def test_a_changed_response_is_refused_or_says_the_same(
    authority: Authority, response: bytes, data: st.DataObject
) -> None:
    changed = bytearray(response)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    del changed[data.draw(st.integers(1, len(changed)) | st.just(len(changed))) :]
    original = verify_timestamp(response, NOTE, [authority.root])
    try:
        found: Timestamp = verify_timestamp(bytes(changed), NOTE, [authority.root])
    except VerificationError:
        return
    assert found == original  # what the signature does not cover, such as the words beside the status


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_our_error(authority: Authority, content: bytes) -> None:
    assert refusal(authority, content).startswith("timestamp.")
    with pytest.raises(VerificationError):
        read_roots(content)


def test_stored_timestamps_are_checked_against_the_signed_checkpoints(authority: Authority, response: bytes) -> None:
    signed = SignedCheckpoint(CHECKPOINT, NOTE.decode(), 0)
    other = replace(CHECKPOINT, root=bytes(32))
    rewritten = SignedCheckpoint(other, KEY.sign(other.text()), 0)
    stored = StoredTimestamp(5, "https://tsa.example", 0, response)

    def codes(known: SignedCheckpoint | None, row: StoredTimestamp = stored) -> list[str]:
        found = check_timestamps([row], {5: known}.get, KEY.verifier, [authority.root])
        return [finding.code for finding in found]

    assert codes(signed) == []
    assert codes(None) == ["timestamp.unknown_checkpoint"]
    assert codes(rewritten) == ["timestamp.imprint"]
    assert codes(signed, replace(stored, response=response[:-1])) == ["timestamp.malformed"]
    assert codes(signed, replace(stored, size=6)) == ["timestamp.unknown_checkpoint"]


def test_roots_are_read_or_refused(authority: Authority) -> None:
    assert read_roots(authority.roots_file.read_bytes()) == [authority.root]
    for content in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", bytes(2_000_000)):
        with pytest.raises(VerificationError) as caught:
            read_roots(content)
        assert caught.value.code == "timestamp.roots"
