"""A second verifier of receipts, written from commitment.md and the formats of C2SP alone: nothing of ours is imported.

`verify(receipt, vkey)` returns what is shown, or raises; every exception means that the receipt does not hold.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

EPC_LISTS = "inputEPCList inputQuantityList outputEPCList outputQuantityList epcList childEPCs quantityList"
LISTS = {"parentID", "transformationID", *EPC_LISTS.split(), "childQuantityList"}
HEAD = "type captured_by occurred_at eventTimeZoneOffset action bizStep disposition persistentDisposition"
WHERE, WHY = "readPoint bizLocation", "bizTransactionList sourceList destinationList"
HOW, MORE = "sensorElementList ilmd certificationInfo", "eventID recordTime errorDeclaration"
FIELDS = {0: HEAD + " errorDeclaration", 2: WHERE, 3: WHY, 4: HOW, 5: MORE}
OWN = {part: set(names.split()) for part, names in FIELDS.items()}
TABLE = LISTS.union(*OWN.values())


def H(prefix: int, *data: bytes) -> bytes:  # noqa: N802 - the document's name
    return sha256(bytes([prefix]) + b"".join(data)).digest()


def b64(text: str, size: int | None = None) -> bytes:
    data = b64decode(text, validate=True)
    assert (b64encode(data).decode(), size or len(data)) == (text, len(data))
    return data


def hex_(text: str, size: int = 32) -> bytes:
    assert re.fullmatch(f"[0-9a-f]{{{2 * size}}}", text)
    return bytes.fromhex(text)


def decimal(text: str) -> int:
    assert re.fullmatch("0|[1-9][0-9]{0,18}", text, re.ASCII)
    return int(text)


def members(value: Any, names: str) -> list[Any]:
    assert (set(dict(value)), bool in map(type, value.values())) == (set(names.split()), False)
    return [value[name] for name in names.split()]


def read(data: bytes, number: Any) -> dict[str, Any]:  # numbers of opened bytes stay as spelled, and no spaces there
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    hooks = {"parse_int": number, "parse_float": number, "parse_constant": lambda _: 1 / 0}
    value: dict[str, Any] = json.loads(data.decode("utf-8"), object_pairs_hook=unique, **hooks)
    assert isinstance(value, dict)
    assert number is decimal or not re.search(r"[ \t\r\n]", re.sub(r'"(?:[^"\\]|\\.)*"', "", data.decode("utf-8")))
    return value


def check(part: int, data: bytes) -> None:
    value = read(data, str.encode)
    foreign = set(value) - OWN[part] if part < 5 else set(value) & (TABLE - OWN.get(part, set()))
    declaration = value.get("errorDeclaration")
    if isinstance(declaration, dict) and part in (0, 5):
        in_head = {"declarationTime", "reason"}
        foreign |= set(declaration) - in_head if part == 0 else set(declaration) & in_head
    assert not foreign


def walk(node: bytes, index: int, size: int, path: list[bytes]) -> bytes:  # RFC 9162 §2.1.3.2
    assert index < size
    fn, sn = index, size - 1
    for sibling in path:
        assert sn
        if fn % 2 or fn == sn:
            node = H(1, sibling, node)
            while fn and fn % 2 == 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = H(1, node, sibling)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0
    return node


def tree(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return next(iter(leaves), sha256().digest())
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return H(1, tree(leaves[:k]), tree(leaves[k:]))


def c1(value: Any, shown: list[bytes]) -> bytes:
    salt, n, root, items = members(value, "s n root items")
    last, leaves = -1, []
    for item in items:
        every = len(items) == n
        j, t, data, *path = members(item, "j t bytes" if every and "path" not in item else "j t bytes path")
        assert last < j < n
        last, content = j, b64(data)
        fields = read(content, str.encode)
        assert set(fields) <= {"list", "id", "quantity", "uom"}
        assert (fields["list"] in LISTS, type(fields["id"])) == (True, str)
        leaves.append(H(5, hex_(t), content))
        assert (every and path in ([], [[]])) or walk(leaves[-1], j, n, list(map(hex_, path[0]))) == hex_(root)
        shown.append(content)
    assert len(items) < n or tree(leaves) == hex_(root)
    return H(3, b"\x01", hex_(salt), n.to_bytes(4, "big"), hex_(root))


def checkpoint(note: str, vkey: str) -> tuple[int, bytes]:
    name, key_id, key = vkey.split("+", 2)
    assert b64(key, 33)[0] == 1
    assert sha256(name.encode() + b"\n" + b64(key)).digest()[:4] == hex_(key_id, 4)
    text, lines = re.fullmatch(r"(.*\n)\n((?:— [^ +\n]+ [^ \n]+\n)+)", note, re.DOTALL).groups()  # type: ignore[union-attr]
    signatures = [(line.split(" ")[1], b64(line.split(" ")[2])) for line in lines[:-1].split("\n")]
    ours = {blob[4:] for signer, blob in signatures if (signer, blob[:4]) == (name, hex_(key_id, 4))}
    assert ours
    for signature in ours:
        Ed25519PublicKey.from_public_bytes(b64(key)[1:]).verify(signature, text.encode())
    origin, size, root = text.split("\n")[:3]
    assert origin == name
    return decimal(size), b64(root, 32)


def opened(opening: Any) -> tuple[bytes, dict[str, Any]]:  # leaf hash, and what is shown
    version, event_id, recorded_at, parts = members(opening, "v event_id recorded_at parts")
    assert (version, len(parts), "c" in parts[0]) == ("trace-opening/1", 8, False)
    c, items, contents = [], list[bytes](), dict[int, bytes]()
    for i, part in enumerate(parts):
        if "c" in part:
            c.append(hex_(*members(part, "c")))
        elif i == 1:
            c.append(c1(part, items))
        else:
            salt, data = members(part, "s bytes")
            contents[i] = b64(data)
            if contents[i] and i != 7:
                check(i, contents[i])
            c.append(H(3, bytes([i]), hex_(salt), contents[i]))
    entry = b"\x01" + hex_(event_id, 16) + decimal(recorded_at).to_bytes(8, "big") + H(2, *c)
    return H(0, entry), {"event_id": event_id, "items": items, "parts": contents}


def verify(receipt: bytes, vkey: str) -> dict[str, Any]:
    proof, _, note = receipt.decode("utf-8").partition("\n\n")
    header, extra, index, *path = proof.split("\n")
    assert (header, extra[:6], index[:6]) == ("c2sp.org/tlog-proof@v1", "extra ", "index ")
    size, root = checkpoint(note, vkey)
    leaf, shown = opened(read(b64(extra[6:]), decimal))
    assert walk(leaf, decimal(index[6:]), size, [b64(line, 32) for line in path]) == root
    return {**shown, "size": size}
