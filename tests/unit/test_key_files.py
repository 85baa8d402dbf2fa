"""Key files under a passphrase."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from adapters.signing import encrypt_key, ml_dsa_key, read_key, signing_key
from adapters.signing.pkcs8 import encrypted
from adapters.system import SystemEntropy
from tests.support.logs import KEY, ORIGIN
from traceability.errors import UnavailableError

ENTROPY = SystemEntropy()
PASSPHRASE = "correct horse, battery"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "main.key"


@pytest.fixture
def plain(path: Path) -> Path:
    path.write_text(KEY.text, encoding="utf-8")
    path.chmod(0o600)
    return path


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)


@pytest.mark.parametrize("size", [1, 15, 16, 48, 120, 300])
def test_what_is_encrypted_others_read(size: int) -> None:
    """PEM of any length: `cryptography` decodes it, and finds a key where one was put in."""
    private = Ed25519PrivateKey.from_private_bytes(KEY.seed)
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    passphrase = b"\xc3\xa4" * size
    read = load_pem_private_key(encrypted(der, passphrase, ENTROPY).encode(), passphrase)
    assert isinstance(read, Ed25519PrivateKey)
    assert read.private_bytes_raw() == KEY.seed


def test_a_new_key_is_encrypted_when_there_is_a_passphrase(path: Path) -> None:
    key = signing_key(path, ORIGIN, ENTROPY, PASSPHRASE)
    assert read_key(path, PASSPHRASE) == signing_key(path, ORIGIN, ENTROPY, PASSPHRASE) == key
    text = path.read_text(encoding="utf-8")
    assert text.splitlines()[0] == key.verifier.text
    assert key.text not in text
    assert path.stat().st_mode & 0o777 == 0o600
    # The same key is never the same file twice.
    encrypt_key(path, PASSPHRASE, ENTROPY)
    assert path.read_text(encoding="utf-8") != text
    assert read_key(path, PASSPHRASE) == key
    assert list(path.parent.iterdir()) == [path]


def test_a_plain_key_is_encrypted_in_its_place(plain: Path) -> None:
    assert read_key(plain, PASSPHRASE) == KEY  # a passphrase does no harm to a plain file
    assert encrypt_key(plain, PASSPHRASE, ENTROPY) == KEY
    assert read_key(plain, PASSPHRASE) == KEY
    assert plain.stat().st_mode & 0o777 == 0o600
    for passphrase in (None, "", "correct horse"):
        with pytest.raises(UnavailableError) as caught:
            read_key(plain, passphrase)
        assert caught.value.code == "log.key_file"
        assert PASSPHRASE not in caught.value.diagnostics()


def test_a_key_that_openssl_made_is_read_under_its_public_key(path: Path) -> None:
    private = Ed25519PrivateKey.from_private_bytes(KEY.seed)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE.encode()))
    write(path, f"{KEY.verifier.text}\n{pem.decode()}")
    assert read_key(path, PASSPHRASE) == KEY


def test_a_damaged_or_exchanged_file_is_refused(path: Path, tmp_path: Path) -> None:
    key = signing_key(path, ORIGIN, ENTROPY, PASSPHRASE)
    other = signing_key(tmp_path / "other.key", ORIGIN, ENTROPY, PASSPHRASE)
    good = path.read_text(encoding="utf-8")
    ml_dsa = tmp_path / "ml-dsa.key"
    ml_dsa_key(ml_dsa, ORIGIN, ENTROPY, PASSPHRASE)
    lines = good.splitlines(keepends=True)
    for text in (
        good.replace(key.verifier.text, other.verifier.text),
        good.replace(key.verifier.text, "nonsense"),
        "".join(lines[1:]),
        "".join([*lines[:2], *lines[3:]]),
        good[:-40],
        ml_dsa.read_text(encoding="utf-8"),
    ):
        write(path, text)
        with pytest.raises(UnavailableError) as caught:
            read_key(path, PASSPHRASE)
        assert caught.value.code == "log.key_file"


def test_an_ml_dsa_key_is_kept_in_both_forms(tmp_path: Path) -> None:
    for name, passphrase in (("plain.key", None), ("sealed.key", PASSPHRASE)):
        path = tmp_path / name
        key = ml_dsa_key(path, ORIGIN, ENTROPY, passphrase)
        assert ml_dsa_key(path, "other.example", ENTROPY, passphrase) == key
        assert key.verifier.name == ORIGIN
        with pytest.raises(UnavailableError):
            read_key(path, passphrase)
