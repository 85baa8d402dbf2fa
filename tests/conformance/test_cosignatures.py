"""Receipts whose checkpoint witnesses have cosigned: our reader, a policy, and other people's reader."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from tlog_scales.signing import Vkey
from tlog_scales.tlog import Checkpoint as TheirCheckpoint

from tests.conformance.test_receipts import ONE_PACK, UNWITNESSED, VKEY, run
from tests.support.logs import KEY, ORIGIN
from traceability.notary.errors import VerificationError
from traceability.notary.note import CosigningKey, SigningKey
from traceability.notary.policy import Policy, PolicyLog
from traceability.notary.proof import LogProof
from traceability.notary.trust import Trust
from traceability.notary.verify import VerifiedReceipt, verify


def cosigned(receipt: str, *numbers: int) -> str:
    """Add the cosignatures of these witnesses, each a second after the one before."""
    text = LogProof.parse(receipt.encode()).checkpoint.partition("\n\n")[0] + "\n"
    return receipt + "".join(WITNESSES[number].cosign(text, TIME + number).line() for number in numbers)


WITNESSES = [CosigningKey(f"witness.example/w{number}", bytes((number + 40,)) * 32) for number in range(3)]
TIME = 1_772_352_901
TWO_OF_THREE = "\n".join(
    [
        f"log {VKEY}",
        *(f"witness w{number} {key.verifier.text}" for number, key in enumerate(WITNESSES)),
        "group two 2 w0 w1 w2",
        "quorum two\n",
    ]
)


def test_a_policy_asks_for_its_quorum_and_says_who_signed_when() -> None:
    policy = Policy.parse(TWO_OF_THREE.encode())
    for numbers in ((), (1,)):
        with pytest.raises(VerificationError) as caught:
            verify(cosigned(ONE_PACK, *numbers).encode(), Trust(policy=policy))
        assert caught.value.code == "log.quorum"
        assert ("'w1' signed at 1772352902" in caught.value.message) == (1 in numbers)
        assert "'w2' did not sign" in caught.value.message
    verified = verify(cosigned(ONE_PACK, 0, 2).encode(), Trust(policy=policy))
    assert isinstance(verified, VerifiedReceipt)
    assert verified.cosignatures == (("witness.example/w0", TIME), ("witness.example/w2", TIME + 2))
    assert "proven: as many witnesses signed as your policy asks for" in verified.lines()
    other = replace(policy, logs=(PolicyLog(SigningKey("other.example", KEY.seed).verifier),))
    for untrusted in (other, replace(policy, logs=())):
        with pytest.raises(VerificationError) as caught:
            verify(cosigned(ONE_PACK, 0, 2).encode(), Trust(policy=untrusted))
        assert caught.value.code == "log.untrusted_key"


def test_a_cosignature_is_of_one_text_one_time_and_one_key() -> None:
    text = "dairy.example/log\n1\n" + base64.b64encode(bytes(32)).decode() + "\n"
    key = WITNESSES[0]
    signature = key.cosign(text, TIME)
    assert key.verifier.accepts(text, signature)
    assert key.verifier.timestamp(signature) == TIME
    assert CosigningKey.parse(key.text) == key
    assert not key.verifier.accepts(text + "extension\n", signature)
    assert not key.verifier.accepts(text, replace(signature, payload=bytes(8) + signature.payload[8:]))
    assert not WITNESSES[1].verifier.accepts(text, signature)
    assert not key.verifier.accepts(text, key.cosign(text, 2**63))  # tlog-cosignature: at most 2^63-1
    for of_a_log in (KEY.text, key.text.replace("witness.example/w0", "witness.example/w1")):
        with pytest.raises(VerificationError):
            CosigningKey.parse(of_a_log)
    with pytest.raises(VerificationError):
        SigningKey.parse(key.text)


def test_tlog_scales_accepts_our_cosignatures() -> None:
    note = LogProof.parse(cosigned(ONE_PACK, 0, 1).encode()).checkpoint
    theirs = TheirCheckpoint.from_text(note)
    for vkey in (VKEY, WITNESSES[0].verifier.text, WITNESSES[1].verifier.text):
        theirs.verify(Vkey.from_string(vkey))
    with pytest.raises(Exception):  # noqa: B017, PT011 - their error is not part of an interface
        theirs.verify(Vkey.from_string(WITNESSES[2].verifier.text))


def test_the_command_checks_a_policy(tmp_path: Path) -> None:
    file, lacking, policy = tmp_path / "good", tmp_path / "lacking", tmp_path / "policy"
    file.write_text(cosigned(ONE_PACK, 0, 1), encoding="utf-8")
    lacking.write_text(cosigned(ONE_PACK, 1), encoding="utf-8")
    policy.write_text(TWO_OF_THREE, encoding="utf-8")
    good = run(file, "--policy", str(policy))
    assert (good.returncode, good.stderr) == (0, "")
    assert f"witness witness.example/w0 signed this checkpoint, as it says at {TIME} s" in good.stdout
    bad = run(lacking, "--policy", str(policy))
    assert (bad.returncode, bad.stdout) == (1, "")
    assert f"'w1' signed at {TIME + 1} s" in bad.stderr
    assert run(file, "--policy", str(policy), "--key", VKEY).returncode == 0
    policy.write_text(TWO_OF_THREE.replace(VKEY, SigningKey(ORIGIN, bytes(32)).verifier.text), encoding="utf-8")
    assert run(file, "--policy", str(policy)).returncode == 1
    assert run(file).returncode == 2
    assert run(file, "--policy", str(file)).returncode == 2
    reported = run(file, "--key", VKEY, "--witness", WITNESSES[0].verifier.text)
    assert UNWITNESSED not in reported.stdout
