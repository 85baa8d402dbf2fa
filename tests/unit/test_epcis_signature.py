"""GS1-Signature: made and checked, also by hand."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceability.gs1.epcis.subscriptions.signature import SignatureError, check_signature, sign

NOW = 1_772_352_900_123_456


def test_openssl_makes_the_same_signature() -> None:
    told = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", "secret"], input=b'1772352900.{"a":1}', capture_output=True, check=True
    )
    assert sign(b'{"a":1}', "secret", now_us=NOW) == f"t=1772352900,sha256={told.stdout.split()[-1].decode()}"


@given(st.binary(max_size=200), st.text(max_size=40), st.integers(-300, 300))
def test_what_is_signed_is_checked_until_it_is_old(body: bytes, token: str, late: int) -> None:
    header = sign(body, token, now_us=NOW)
    check_signature(header, body, token, now_us=NOW + late * 1_000_000)
    for wrong in (
        (header, body + b"x", token),
        (header, body, token + "x"),
        (header[:-1], body, token),
        ("", body, token),
    ):
        with pytest.raises(SignatureError):
            check_signature(*wrong, now_us=NOW)
    with pytest.raises(SignatureError) as caught:
        check_signature(header, body, token, now_us=NOW + 302_000_000)
    assert caught.value.code == "signature.old"


def test_the_time_is_signed_as_well() -> None:
    header = sign(b"body", "secret", now_us=NOW)
    later = header.replace("t=1772352900", "t=1772352999")
    with pytest.raises(SignatureError):
        check_signature(later, b"body", "secret", now_us=NOW)
