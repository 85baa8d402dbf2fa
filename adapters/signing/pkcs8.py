"""A private key under a passphrase: PKCS#8 with PBES2, scrypt and AES-256-CBC (RFC 8018, RFC 7914), as PEM.

`cryptography` reads this form, and so does OpenSSL. What it writes itself is derived by PBKDF2 with 2,048 rounds, which
is too few for a passphrase that a person can remember.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7

from traceability.notary.encoding import base64_of
from traceability.ports import Entropy

_COST: Final = (2**14, 8, 5)  # N, r, p: a quarter of a second and 16 MiB; OpenSSL refuses more than 32
_SALT_SIZE: Final = 16
_KEY_SIZE: Final = 32
_LINE: Final = 64
_SEQUENCE: Final = 0x30
_INTEGER: Final = 0x02
_OCTETS: Final = 0x04
_OBJECT: Final = 0x06
_PBES2: Final = bytes.fromhex("2a864886f70d01050d")
_SCRYPT: Final = bytes.fromhex("2b06010401da47040b")
_AES_256_CBC: Final = bytes.fromhex("60864801650304012a")


def encrypted(private_key_info: bytes, passphrase: bytes, entropy: Entropy) -> str:
    """Return the PEM of an EncryptedPrivateKeyInfo; `private_key_info` is the DER of a key that is not encrypted."""
    salt, vector = entropy.token(_SALT_SIZE), entropy.token(algorithms.AES.block_size // 8)
    key = Scrypt(salt=salt, length=_KEY_SIZE, n=_COST[0], r=_COST[1], p=_COST[2]).derive(passphrase)
    padder = PKCS7(algorithms.AES.block_size).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    content = encryptor.update(padder.update(private_key_info) + padder.finalize()) + encryptor.finalize()
    derivation = _der(_SEQUENCE, _der(_OCTETS, salt), *map(_integer, _COST))
    scheme = _der(
        _SEQUENCE,
        _der(_SEQUENCE, _der(_OBJECT, _SCRYPT), derivation),
        _der(_SEQUENCE, _der(_OBJECT, _AES_256_CBC), _der(_OCTETS, vector)),
    )
    data = _der(_SEQUENCE, _der(_SEQUENCE, _der(_OBJECT, _PBES2), scheme), _der(_OCTETS, content))
    text = base64_of(data)
    lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    return "\n".join(("-----BEGIN ENCRYPTED PRIVATE KEY-----", *lines, "-----END ENCRYPTED PRIVATE KEY-----", ""))


def _der(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:  # noqa: PLR2004 - the short form of a length (X.690 §8.1.3.4)
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _integer(number: int) -> bytes:
    return _der(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))
