"""A second verifier, written from commitment.md, bundles.md and the formats of C2SP alone: nothing of ours is imported.

`verify(receipt, vkey)` and `verify_bundle(bundle, vkeys)` return what is shown, or raise; every exception means that it
does not hold.
"""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode, b64encode
from hashlib import sha256
from struct import pack, unpack
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


def read_loose(data: bytes, number: Any) -> dict[str, Any]:  # white space may be anywhere
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    value: dict[str, Any] = json.loads(
        data.decode("utf-8"), object_pairs_hook=unique, parse_int=number, parse_constant=lambda _: 1 / 0
    )
    assert isinstance(value, dict)
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


def unzip(data: bytes) -> dict[str, bytes]:
    files, at, total = dict[str, bytes](), 0, 0
    directory = b""
    assert len(data) <= 1 << 28
    while data[at : at + 4] == b"PK\x03\x04":
        flags, method, crc, packed, full, length, extra = unpack("<HH4xIIIHH", data[at + 6 : at + 30])
        name, content = data[at + 30 : at + 30 + length], data[at + 30 + length : at + 30 + length + packed]
        assert (flags, extra, len(content)) == (0, 0, packed)
        assert re.fullmatch(rb"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", name)
        assert name.decode() not in files
        total += full
        assert (total <= 1 << 30, full <= 65_536 + 100 * packed, method in (0, 8)) == (True, True, True)
        if method == 8:
            inflating = zlib.decompressobj(-15)
            content = inflating.decompress(content, full + 1)
            assert (inflating.eof, inflating.unused_data) == (True, b"")
        assert (len(content), zlib.crc32(content)) == (full, crc)
        directory += pack("<4sHHIIIHHHHI", b"PK\x01\x02", 0, method, crc, packed, full, length, 0, 0, 0, at) + name
        files[name.decode()] = content
        at += 30 + length + packed
    end, meant = at, b""
    for listed in files:  # the directory says the same, but for versions, times and attributes
        mark, flags, method = unpack("<4s4xHH", data[end : end + 12])
        crc, packed, full, length, extra, comment, disk, offset = unpack("<IIIHHHH6xI", data[end + 16 : end + 46])
        numbers = (flags, method, crc, packed, full, length, extra, comment, disk, offset)
        meant += pack("<4sHHIIIHHHHI", mark, *numbers) + data[end + 46 : end + 46 + length]
        end += 46 + len(listed)
    count = len(files)
    assert (meant, count <= 64) == (directory, True)
    assert data[end:] == pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, end - at, at, 0)
    return files


def multiproof(data: bytes, leaves: list[bytes]) -> tuple[int, list[int], bytes]:
    """Split from the root down, with the hashes put in their places first; the page goes up from the leaves."""
    size, count = unpack(">QI", data[19:31])
    indices = list(unpack(f">{count}Q", data[31 : 31 + 8 * count]))
    rest = data[31 + 8 * count :]
    assert (data[:19], len(rest) % 32, len(leaves)) == (b"trace-multiproof/1\n", 0, count)
    assert (sorted(set(indices)), 0 < count <= 100_000, indices[-1] < size < 1 << 63) == (indices, True, True)
    known, needed = {(0, i): leaf for i, leaf in zip(indices, leaves, strict=True)}, list[tuple[int, int]]()

    def missing(height: int, number: int, level: list[int]) -> None:
        if height == 0:
            return
        below = sorted({i >> (height - 1) for i in level})
        for child in (2 * number, 2 * number + 1):
            if child << (height - 1) < size:
                inside = [i for i in level if i >> (height - 1) == child]
                if inside:
                    missing(height - 1, child, inside)
                else:
                    needed.append((height - 1, child))
        assert below

    top = (size - 1).bit_length()
    missing(top, 0, indices)
    needed.sort()
    assert len(rest) == 32 * len(needed)
    for k, place in enumerate(needed):
        known[place] = rest[32 * k : 32 * k + 32]

    def node(height: int, number: int) -> bytes:
        if (height, number) not in known:
            left = node(height - 1, 2 * number)
            alone = (2 * number + 1) << (height - 1) >= size
            known[height, number] = left if alone else H(1, left, node(height - 1, 2 * number + 1))
        return known[height, number]

    return size, indices, node(top, 0)


def verify_bundle(data: bytes, vkeys: list[str]) -> dict[str, Any]:
    files = unzip(data)
    assert {"README.txt", "policy"} <= set(files)
    version, kind, reader, question, known_at, logs = members(
        read_loose(files["bundle.json"], decimal), "v kind reader question known_at logs"
    )
    assert (version, kind in ("item", "trace"), type(reader), type(question)) == ("trace-bundle/1", True, str, dict)
    assert (type(known_at), 0 < len(logs) <= 20, files["events.ndjson"][-1:]) == (int, True, b"\n")
    lines = files["events.ndjson"][:-1].split(b"\n")
    assert len(lines) <= 100_000
    ids, leaf_of, shown, last = dict[int, str](), dict[int, int](), list[dict[str, Any]](), -1
    for n, log in enumerate(logs, 1):
        vkey, first = members(log, "vkey first_position")
        assert (vkey in vkeys, last < first) == (True, True)
        size, root = checkpoint(files[f"{n}.checkpoint"].decode(), vkey)
        proof = files[f"{n}.proof"]
        count = int.from_bytes(proof[27:31], "big")
        mine, lines = lines[:count], lines[count:]
        leaves = []
        for line in mine:
            opening = json.loads(line)
            assert json.dumps(opening, separators=(",", ":")).encode() == line
            leaf, what = opened(opening)
            leaves.append(leaf)
            shown.append(what)
        assert multiproof(proof, leaves)[::2] == (size, root)
        for index, what in zip(multiproof(proof, leaves)[1], shown[-count:], strict=True):
            last, event_id = first + index, what["event_id"]
            ids[last] = "-".join((event_id[:8], event_id[8:12], event_id[12:16], event_id[16:20], event_id[20:]))
            leaf_of[last] = index
    assert not lines
    answer = read_loose(files["answer.json"], int)
    assert (type(answer["known_at"]), answer["known_at"]) == (int, known_at)
    waiting: list[Any] = [answer]
    while waiting:
        value = waiting.pop()
        waiting += value if isinstance(value, list) else value.values() if isinstance(value, dict) else []
        if not isinstance(value, dict):
            continue
        named = [value[name] for name in ("position", "opened_by", "closed_by") if value.get(name) is not None]
        for position in named + value.get("positions", []):
            assert (type(position), position in ids, position <= known_at) == (int, True, True)
        if value.get("position") is not None:
            assert value.get("event_id", ids[value["position"]]) == ids[value["position"]]
            place = value.get("leaf_index")
            assert place is None or (type(place), place) == (int, leaf_of[value["position"]])
        assert value.get("retracted_by") in (None, *ids.values())
    return {"kind": kind, "answer": answer, "events": shown, "positions": list(ids)}
