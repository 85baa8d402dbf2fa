"""The second verifier, of bundles: written from bundles.md, with nothing of ours but the second verifier of receipts.

`verify_bundle(bundle, vkeys)` returns what is shown, or raises; every exception means that the bundle does not hold.
"""

from __future__ import annotations

import json
import re
import zlib
from struct import pack, unpack
from typing import Any

from tests.conformance.answer_verifier import names, repeats, spelled
from tests.conformance.verifier import H, checkpoint, decimal, members, opened


def read_loose(data: bytes, number: Any) -> dict[str, Any]:  # white space may be anywhere
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    value: dict[str, Any] = json.loads(
        data.decode("utf-8"), object_pairs_hook=unique, parse_int=number, parse_constant=lambda _: 1 / 0
    )
    assert isinstance(value, dict)
    return value


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
    manifest = read_loose(files["bundle.json"], decimal)
    page = manifest.get("kind") == "events"
    version, kind, reader, question, known_at, logs, *positions = members(
        manifest, "v kind reader question known_at logs" + page * " positions"
    )
    assert (version, type(kind), type(reader), type(question)) == ("trace-bundle/1", str, str, dict)
    assert kind in {"item", "trace", "part", "events", "evidence"}
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
            shown.append({**what, "recorded_at": opening["recorded_at"]})
        assert multiproof(proof, leaves)[::2] == (size, root)
        for index, what in zip(multiproof(proof, leaves)[1], shown[-count:], strict=True):
            last, event_id = first + index, what["event_id"]
            ids[last] = "-".join((event_id[:8], event_id[8:12], event_id[12:16], event_id[16:20], event_id[20:]))
            leaf_of[last] = index
    assert not lines
    answer, order = read_loose(files["answer.json"], int), positions[0] if page else []
    assert all(type(position) is int and position <= known_at for position in order)
    if kind in {"events", "evidence"}:
        assert repeats(kind, spelled(files["answer.json"]), order, dict(zip(ids, shown, strict=True)))
    else:
        assert (type(answer["known_at"]), answer["known_at"]) == (int, known_at)
    if kind != "events":
        names(answer, known_at, ids, leaf_of)
    return {"kind": kind, "answer": answer, "events": shown, "positions": list(ids)}
