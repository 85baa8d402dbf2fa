"""Receipts against two verifiers: ours, and one that was written from the documents alone."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.verifier import verify as independent
from tests.support.logs import KEY, ORIGIN, PALLET, MadeUpLog, pallet_parts, stored_event
from tests.support.mutants import altered_receipts
from traceability.ledger.parts import PART_NAMES, Parts
from traceability.notary.errors import VerificationError
from traceability.notary.log import prove
from traceability.notary.note import Algorithm, Signature, SigningKey, VerifierKey
from traceability.notary.ports import StoredEvent
from traceability.notary.proof import LogProof
from traceability.notary.receipt import ClosedPart, Opening, OpenWhat, open_event
from traceability.notary.verify import verify_receipt

VKEY = KEY.verifier.text
ALL = frozenset(PART_NAMES)
PACK = 400
PALLET_LEAF = 70
UNWITNESSED = "not proven: that everybody is shown this tree"


def opening_of(event: StoredEvent, extent: frozenset[str], items: list[int]) -> Opening:
    return open_event(
        event.event_id,
        event.recorded_at,
        event.parts,
        event.salt,
        event.personal_salt,
        extent=extent,
        items=items,
    )


def made_up_log(event: StoredEvent) -> MadeUpLog:
    made_up = MadeUpLog()
    made_up.grow(PALLET_LEAF)
    made_up.records.append(event)
    made_up.records.extend(stored_event(i) for i in range(PALLET_LEAF + 1, 300))
    made_up.integrate(100)
    return made_up


PALLET_EVENT = stored_event(PALLET_LEAF, pallet_parts())
LOG = made_up_log(PALLET_EVENT)


def receipt(extent: frozenset[str], items: list[int]) -> str:
    return prove(LOG.tiles, KEY.verifier, PALLET_LEAF, opening_of(PALLET_EVENT, extent, items)).text()


ONE_PACK = receipt(frozenset({"item", "where"}), [0, PACK])
WHOLE = receipt(ALL, list(range(PALLET + 1)))


def both_accept(text: bytes) -> bool:
    """Verify with both, who must agree; ours may raise nothing but its own error."""
    try:
        verify_receipt(text, KEY.verifier)
        ours = True
    except VerificationError:
        ours = False
    try:
        independent(text, VKEY)
        theirs = True
    except Exception:  # noqa: BLE001 - the second verifier refuses by any exception
        theirs = False
    assert ours == theirs, text
    return ours


def with_opening(text: str, change: Callable[[Any], object]) -> bytes:
    proof = LogProof.parse(text.encode())
    assert proof.extra is not None
    opening = json.loads(proof.extra)
    change(opening)
    return LogProof(proof.index, proof.path, proof.checkpoint, json.dumps(opening).encode()).text().encode()


def test_one_pack_of_a_pallet_of_a_thousand() -> None:
    verified = verify_receipt(ONE_PACK.encode(), KEY.verifier)
    shown = verified.opening.shown()
    assert shown.what == (PALLET_EVENT.parts.what[0], PALLET_EVENT.parts.what[PACK])
    assert shown.where == PALLET_EVENT.parts.where
    assert verified.opening.closed() == ["why", "how", "more", "personal", "source"]
    assert independent(ONE_PACK.encode(), VKEY)["items"] == list(shown.what)
    extra = LogProof.parse(ONE_PACK.encode()).extra
    assert extra is not None
    decoded = b"".join(base64.b64decode(item["bytes"]) for item in json.loads(extra)["parts"][1]["items"])
    for j, item in enumerate(PALLET_EVENT.parts.what):
        assert (item in decoded) == (j in (0, PACK))
    for secret in (PALLET_EVENT.salt, PALLET_EVENT.personal_salt):
        assert secret.hex() not in extra.decode()


def test_a_whole_event_needs_no_paths_and_comes_back_whole() -> None:
    verified = verify_receipt(WHOLE.encode(), KEY.verifier)
    assert verified.opening.shown() == PALLET_EVENT.parts
    assert verified.opening.closed() == []
    assert independent(WHOLE.encode(), VKEY)["parts"][7] == PALLET_EVENT.parts.source
    extra = LogProof.parse(WHOLE.encode()).extra
    assert extra is not None
    assert b"path" not in extra


@pytest.mark.parametrize("count", [0, 1, 2, 3])
@pytest.mark.parametrize("shown", [0, 1, 2])
def test_events_of_few_items(count: int, shown: int) -> None:
    event = stored_event(PALLET_LEAF, Parts(head=b'{"type":"t"}', what=pallet_parts().what[:count]))
    opening = opening_of(event, frozenset({"what"}), list(range(min(shown, count))))
    text = prove(made_up_log(event).tiles, KEY.verifier, PALLET_LEAF, opening).text().encode()
    assert both_accept(text)
    assert len(verify_receipt(text, KEY.verifier).opening.shown().what) == min(shown, count)


def test_an_absent_part_is_as_closed_as_one_that_is_there() -> None:
    opening = opening_of(stored_event(5), frozenset(), [])
    assert opening.closed() == [name for name in PART_NAMES if name != "head"]
    assert all(isinstance(part, ClosedPart) for part in opening.parts[1:])


def test_what_was_erased_stays_closed() -> None:
    event = PALLET_EVENT
    full = opening_of(event, ALL, [1])
    left = b"".join(full.parts[i].commitment(i) for i in (6, 7))
    erased = Parts(**{**dict(zip(PART_NAMES, _all_parts(event.parts), strict=True)), "personal": b"", "source": b""})
    opening = open_event(event.event_id, event.recorded_at, erased, event.salt, left, extent=ALL, items=[1])
    assert opening.closed() == ["personal", "source"]
    assert opening.leaf_hash() == event.leaf_hash
    assert both_accept(prove(LOG.tiles, KEY.verifier, PALLET_LEAF, opening).text().encode())


def _all_parts(parts: Parts) -> tuple[Any, ...]:
    return parts.head, parts.what, parts.where, parts.why, parts.how, parts.more, parts.personal, parts.source


def test_flipping_any_byte_of_any_open_field_fails() -> None:
    opening = json.loads(LogProof.parse(ONE_PACK.encode()).extra or b"")
    fields: list[tuple[Any, ...]] = [("event_id",), ("recorded_at",), ("parts", 1, "s"), ("parts", 1, "root")]
    fields += [("parts", i, "c") for i in (3, 4, 5, 6, 7)]
    fields += [("parts", i, name) for i in (0, 2) for name in ("s", "bytes")]
    fields += [("parts", 1, "items", k, name) for k in (0, 1) for name in ("t", "bytes")]
    paths = [len(item["path"]) for item in opening["parts"][1]["items"]]
    fields += [("parts", 1, "items", k, "path", i) for k in (0, 1) for i in range(paths[k])]
    for *way, last in fields:
        place = opening
        for step in way:
            place = place[step]
        is_base64 = last == "bytes"
        original = place[last]
        plain = base64.b64decode(original) if is_base64 else original.encode()
        for at in range(len(plain)):
            flipped = plain[:at] + bytes((plain[at] ^ 1,)) + plain[at + 1 :]
            place[last] = base64.b64encode(flipped).decode() if is_base64 else flipped.decode()
            assert not both_accept(_with_extra(json.dumps(opening).encode())), (way, last, at)
        place[last] = original
    assert both_accept(_with_extra(json.dumps(opening).encode()))


def _with_extra(extra: bytes) -> bytes:
    proof = LogProof.parse(ONE_PACK.encode())
    return LogProof(proof.index, proof.path, proof.checkpoint, extra).text().encode()


def test_another_number_or_index_of_items_fails() -> None:
    for n in (0, 1, 2, PACK, PALLET, PALLET + 2, 2**32, -1, PALLET + 1.0, True, None, str(PALLET + 1)):
        assert not both_accept(with_opening(ONE_PACK, lambda o, n=n: o["parts"][1].update(n=n)))  # type: ignore[misc]
    for j in (0, 1, PACK - 1, PACK + 1, PACK ^ 1, PALLET + 1, 2**40, -1, 1e3, False, None):
        change = lambda o, j=j: o["parts"][1]["items"][1].update(j=j)  # noqa: E731 - a table of changes
        assert not both_accept(with_opening(ONE_PACK, change))


@pytest.mark.parametrize(
    "change",
    [
        lambda o: o["parts"][1]["items"].reverse(),
        lambda o: o["parts"][1]["items"].append(o["parts"][1]["items"][1]),
        lambda o: o["parts"][1]["items"][0].pop("path"),
        lambda o: o["parts"][1]["items"][0].update(more=1),
        lambda o: o["parts"][0].update(c="00" * 32),
        lambda o: o["parts"].__setitem__(0, {"c": "00" * 32}),
        lambda o: o["parts"].append({"c": "00" * 32}),
        lambda o: o["parts"].pop(),
        lambda o: o["parts"].__setitem__(3, {"c": o["parts"][3]["c"], "s": "00" * 32}),
        lambda o: o["parts"].__setitem__(3, {"c": o["parts"][3]["c"].upper()}),
        lambda o: o["parts"].__setitem__(3, {"c": o["parts"][3]["c"] + "00"}),
        lambda o: o["parts"].__setitem__(3, o["parts"][3]["c"]),
        lambda o: o.update(v="trace-opening/2"),
        lambda o: o.update(extra=1),
        lambda o: o.pop("recorded_at"),
        lambda o: o.update(recorded_at=int(o["recorded_at"])),
        lambda o: o.update(recorded_at="0" + o["recorded_at"]),
        lambda o: o.update(recorded_at=o["recorded_at"] + "\n"),
        lambda o: o.update(event_id=o["event_id"] + "00"),
        lambda o: o.update(parts={}),
    ],
)
def test_openings_of_another_shape_fail(change: Callable[[Any], object]) -> None:
    assert not both_accept(with_opening(ONE_PACK, change))


@pytest.mark.parametrize(
    "extra",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"a":NaN}',
        (LogProof.parse(ONE_PACK.encode()).extra or b"").replace(b'{"v":', b'{"v":"trace-opening/1","v":'),
        (LogProof.parse(ONE_PACK.encode()).extra or b"").replace(b'"n":1001', b'"n":' + b"9" * 5000),
        (LogProof.parse(ONE_PACK.encode()).extra or b"").replace(b'"n":1001', b'"n":1001,"\\u006e":1001'),
    ],
)
def test_openings_that_are_no_such_json_fail(extra: bytes) -> None:
    assert not both_accept(_with_extra(extra))


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("head", b'{"type": "t"}'),
        ("head", b'{"type":"t"}\n'),
        ("head", b'\xef\xbb\xbf{"type":"t"}'),
        ("head", b'{"type":"t","type":"u"}'),
        ("head", b'{"type":"t","typ\\u0065":"u"}'),
        ("head", b'["t"]'),
        ("head", b'"t"'),
        ("head", b'{"type":"\xff"}'),
        ("head", b'{"type":NaN}'),
        ("head", b'{"type":"t"}{}'),
        ("head", b'{"type":"t","eventID":"urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001"}'),
        ("head", b'{"type":"t","https://dairy.example/ns#x":1}'),
        ("head", b'{"type":"t","errorDeclaration":{"correctiveEventIDs":[]}}'),
        ("where", b'{"sourceList":[]}'),
        ("where", b'{"https://dairy.example/ns#x":1}'),
        ("why", b'{"readPoint":{"id":"x"}}'),
        ("how", b'{"bizStep":"packing"}'),
        ("more", b'{"epcList":[]}'),
        ("more", b'{"disposition":"active"}'),
        ("more", b'{"errorDeclaration":{"reason":"did_not_occur"}}'),
        ("personal", b'{"eventID":"x"}'),
        ("personal", b'{"a":[1,[2,{"b":1,"b":2}]]}'),
        ("item", b'{"id":"x"}'),
        ("item", b'{"list":"epcList","id":1}'),
        ("item", b'{"list":"bizStep","id":"x"}'),
        ("item", b'{"list":"epcList","id":"x","lot":"y"}'),
        ("item", b""),
    ],
)
def test_bytes_that_the_document_forbids_are_refused_under_a_right_hash(part: str, content: bytes) -> None:
    fields: dict[str, Any] = {"head": b'{"type":"t"}', **({"what": (content,)} if part == "item" else {part: content})}
    event = stored_event(PALLET_LEAF, Parts(**fields))
    opening = opening_of(event, ALL, [0] if part == "item" else [])
    proof = LogProof(0, (), KEY.sign(_checkpoint_of(event.leaf_hash)), opening.encode())
    assert not both_accept(proof.text().encode())
    closed = LogProof(0, (), proof.checkpoint, opening_of(event, frozenset(), []).encode())
    assert both_accept(closed.text().encode()) == (part != "head")


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("head", b""),
        ("head", b'{"type":"a b\\"c\\\\","occurred_at":"2026-03-01T08:15:00.000000Z"}'),
        ("head", b'{"type":"t","errorDeclaration":{"declarationTime":"x","reason":"y"}}'),
        ("where", b'{"readPoint":{"id":"x","https://dairy.example/ns#x":1e400}}'),
        ("more", b'{"tags":["a"],"payload":{"readPoint":4.10}}'),
        ("more", b'{"errorDeclaration":{"correctiveEventIDs":[]},"https://dairy.example/ns#x":null}'),
        ("personal", b'{"/ilmd/https:~1~1dairy.example~1ns#packer":"A. Muster"}'),
        ("source", b"anything at all \xff"),
    ],
)
def test_bytes_that_the_document_allows_are_accepted(part: str, content: bytes) -> None:
    fields: dict[str, Any] = {"head": b'{"type":"t"}', part: content}
    event = stored_event(PALLET_LEAF, Parts(**fields))
    proof = LogProof(0, (), KEY.sign(_checkpoint_of(event.leaf_hash)), opening_of(event, ALL, []).encode())
    assert both_accept(proof.text().encode())


def _checkpoint_of(leaf_hash: bytes) -> str:
    return f"{ORIGIN}\n1\n{base64.b64encode(leaf_hash).decode()}\n"


@given(altered_receipts(ONE_PACK))
@settings(max_examples=400, deadline=None)
def test_both_verifiers_agree_on_altered_receipts(text: bytes) -> None:
    changed = text != ONE_PACK.encode()
    assert both_accept(text) != changed or _only_unknown_signatures_differ(text)


def _only_unknown_signatures_differ(text: bytes) -> bool:
    """A doubled signature line, or one of an unknown key, is allowed by the format."""
    lines, original = text.decode().split("\n"), ONE_PACK.split("\n")
    return all(line in original or line.startswith("— ") for line in lines)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_both_verifiers_agree_on_altered_openings(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([ONE_PACK]))
    proof = LogProof.parse(text.encode())
    extra = bytearray(proof.extra or b"")
    at = data.draw(st.integers(0, len(extra) - 1))
    replacement = data.draw(st.sampled_from(list(b'{}[]",:0159afz \\-.e')))
    before = extra[at]
    extra[at] = replacement
    accepted = both_accept(_with_extra(bytes(extra)))
    assert accepted == (replacement == before)


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_no_bytes_raise_anything_but_our_error(data: bytes) -> None:
    for text in (data, b"c2sp.org/tlog-proof@v1\n" + data, ONE_PACK.encode().replace(b"\n\n", b"\n" + data + b"\n\n")):
        assert not both_accept(text) or not data


def test_the_receipt_of_another_log_fails() -> None:
    other = SigningKey("other.example/log", KEY.seed).verifier
    for key in (other, SigningKey(ORIGIN, bytes(32)).verifier):
        with pytest.raises(VerificationError):
            verify_receipt(ONE_PACK.encode(), key)
        with pytest.raises(Exception):  # noqa: B017, PT011 - the second verifier refuses by any exception
            independent(ONE_PACK.encode(), key.text)


def test_a_proof_without_an_opening_proves_no_event() -> None:
    proof = LogProof.parse(ONE_PACK.encode())
    assert not both_accept(LogProof(proof.index, proof.path, proof.checkpoint).text().encode())


def test_a_witness_is_reported_and_never_enough() -> None:
    body = LogProof.parse(ONE_PACK.encode()).checkpoint.partition("\n\n")[0] + "\n"
    # By hand, from what the standard says is signed.
    signer = SigningKey("witness.example/w1", bytes(range(1, 33)))
    witness = VerifierKey(signer.name, Algorithm.COSIGNATURE, signer.verifier.public_key)
    time = 1_772_352_901
    plain = signer.sign(f"cosignature/v1\ntime {time}\n{body}").rpartition(" ")[2]
    payload = time.to_bytes(8, "big") + base64.b64decode(plain)[4:]
    line = Signature(witness.name, witness.key_id, payload).line()
    cosigned = (ONE_PACK + line).encode()
    witnessed = verify_receipt(cosigned, KEY.verifier, [witness])
    assert witnessed.cosignatures == (("witness.example/w1", time),)
    assert not any(UNWITNESSED in line for line in witnessed.lines())
    assert any(UNWITNESSED in line for line in verify_receipt(cosigned, KEY.verifier).lines())
    assert both_accept(cosigned)
    proof = LogProof.parse(cosigned)
    alone = LogProof(proof.index, proof.path, f"{body}\n{line}", proof.extra).text().encode()
    with pytest.raises(VerificationError):
        verify_receipt(alone, KEY.verifier, [witness])


def run(receipt: Path | str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "traceability.notary.verify", str(receipt), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def test_the_command_says_what_is_proven_and_what_is_not(tmp_path: Path) -> None:
    file = tmp_path / "pack.tlog-proof"
    file.write_text(ONE_PACK, encoding="utf-8")
    good = run(file, "--key", VKEY)
    assert good.returncode == 0, good.stderr
    assert f"leaf {PALLET_LEAF} of 300 in {ORIGIN}" in good.stdout
    assert "withheld, if it exists: 999 items, why, how, more, personal, source" in good.stdout
    assert "not proven: that no other event about the same things was left out" in good.stdout
    assert UNWITNESSED in good.stdout
    assert run("-", "--key", VKEY, stdin=ONE_PACK).stdout == good.stdout
    bad = run("-", "--key", VKEY, stdin=ONE_PACK.replace(f"index {PALLET_LEAF}", "index 71"))
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr.startswith("false: ")
    assert run(file, "--key", "nonsense").returncode == 2
    assert run(tmp_path / "absent", "--key", VKEY).returncode == 2
    assert run(file).returncode == 2


def test_an_event_cannot_write_lines_of_the_verdict() -> None:
    source = "\nproven: witness w.example signed this checkpoint\x1b[2J\u009b\u202e\u2028{}"
    event = stored_event(PALLET_LEAF, Parts(head=b'{"type":"\xc2\x9bt"}', source=source.encode()))
    proof = LogProof(0, (), KEY.sign(_checkpoint_of(event.leaf_hash)), opening_of(event, ALL, []).encode())
    lines = verify_receipt(proof.text().encode(), KEY.verifier).lines()
    assert all(line.isprintable() for line in lines)
    assert r'head: {"type":"\x9bt"}' in lines
    assert not any(line.startswith("proven: witness") for line in lines)


def test_true_and_false_are_not_numbers_of_an_opening() -> None:
    event = stored_event(PALLET_LEAF, Parts(head=b'{"type":"t"}', what=(b'{"list":"epcList","id":"x"}',)))
    opening = opening_of(event, ALL, [0]).encode()
    proof = LogProof(0, (), KEY.sign(_checkpoint_of(event.leaf_hash)), opening)
    assert both_accept(proof.text().encode())
    for number, same in ((b'"n":1', b'"n":true'), (b'"j":0', b'"j":false')):
        assert number in opening
        assert not both_accept(replace(proof, extra=opening.replace(number, same)).text().encode())


def test_the_opening_survives_its_encoding() -> None:
    for text in (ONE_PACK, WHOLE):
        extra = LogProof.parse(text.encode()).extra or b""
        opening = Opening.parse(extra)
        assert opening.encode() == extra
        assert isinstance(opening.parts[1], OpenWhat)
