"""The page's modules against Python's verifier: the same verdict on every receipt and mutant of one."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.browser.verifiers import Agree
from tests.conformance.test_bundles import cosigned
from tests.conformance.test_receipts import (
    ALL,
    ONE_PACK,
    PACK,
    PALLET_LEAF,
    VKEY,
    WHOLE,
    opening_of,
    receipt,
    with_opening,
)
from tests.support.logs import KEY, ORIGIN, stored_event
from tests.support.mutants import altered_receipts
from traceability.ledger.parts import Parts
from traceability.notary.note import SigningKey, VerifierKey
from traceability.notary.policy import Policy, PolicyGroup, PolicyLog, PolicyWitness
from traceability.notary.proof import LogProof

BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def single(event: Any, **opened: Any) -> str:
    """The receipt of an event in a tree of its own."""
    checkpoint = KEY.sign(f"{ORIGIN}\n1\n{base64.b64encode(event.leaf_hash).decode()}\n")
    return LogProof(0, (), checkpoint, opening_of(event, **opened).encode()).text()


def test_receipts_of_all_parts_of_one_item_and_of_nothing(agree: Agree) -> None:
    receipts = [ONE_PACK, WHOLE, receipt(frozenset(), []), receipt(frozenset({"what"}), []), receipt(ALL, [PACK])]
    assert agree(*receipts) == [None] * 5


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_events_of_few_items(agree: Agree, count: int) -> None:
    items = tuple(b'{"list":"epcList","id":"x%d"}' % i for i in range(count))
    event = stored_event(PALLET_LEAF, Parts(head=b'{"type":"t"}', what=items))
    shown = [single(event, extent=frozenset({"what"}), items=list(range(n))) for n in range(count + 1)]
    assert set(agree(*shown)) == {None}


def test_an_erased_event(agree: Agree) -> None:
    whole = opening_of(stored_event(PALLET_LEAF, Parts(head=b'{"type":"t"}', personal=b'{"a":1}')), ALL, [])
    event = stored_event(PALLET_LEAF, Parts(head=b'{"type":"t"}', personal=b'{"a":1}'))
    left = b"".join(whole.parts[i].commitment(i) for i in (6, 7))
    object.__setattr__(event, "parts", Parts(head=b'{"type":"t"}'))
    object.__setattr__(event, "personal_salt", left)
    assert agree(single(event, extent=ALL, items=[])) == [None]


def flipped(text: str, *places: float) -> Iterator[str]:
    """Change one letter of hexadecimal or base64 into another, at each of these places from 0 to 1."""
    for place in places:
        at = round(place * (len(text) - 1))
        letters = "0123456789abcdef" if text[at] in "0123456789abcdef" and len(text) % 2 == 0 else BASE64
        yield text[:at] + letters[(letters.find(text[at]) + 1) % len(letters)] + text[at + 1 :]


def test_a_changed_letter_in_any_field_of_the_opening(agree: Agree) -> None:
    # Where all 1001 items are open a mutant costs a thousand hashes and more: one of each field, in turn at each place.
    one_of_three = cycle([(0.0,), (0.5,), (1.0,)])
    for whole in (ONE_PACK, WHOLE):
        opening = json.loads(LogProof.parse(whole.encode()).extra or b"")
        fields: list[tuple[Any, ...]] = [("event_id",), ("recorded_at",), ("parts", 1, "s"), ("parts", 1, "root")]
        fields += [("parts", i, name) for i in (0, 2, 3, 4, 5, 6, 7) for name in opening["parts"][i]]
        fields += [("parts", 1, "items", k, name) for k in (0, 1) for name in ("t", "bytes")]
        if whole is ONE_PACK:
            fields += [("parts", 1, "items", k, "path", i) for k in (0, 1) for i in range(9)]
        mutants = []
        for *way, name in fields:
            place = opening
            for step in way:
                place = place[step]
            original = place[name]
            for other in flipped(original, *(next(one_of_three) if whole is WHOLE else (0.0, 0.02, 0.5, 0.98, 1.0))):
                place[name] = other
                mutants.append(with_extra(whole, json.dumps(opening).encode()))
            place[name] = original
        assert len(mutants) >= (20 if whole is WHOLE else 100)
        assert None not in agree(*mutants)


def with_extra(text: str, extra: bytes) -> bytes:
    proof = LogProof.parse(text.encode())
    return LogProof(proof.index, proof.path, proof.checkpoint, extra).text().encode()


def test_a_changed_letter_in_any_line_after_the_opening(agree: Agree) -> None:
    lines = ONE_PACK.split("\n")
    mutants = []
    for number, line in enumerate(lines[2:-1], start=2):
        mutants += [
            "\n".join([*lines[:number], line[:at] + other + line[at + 1 :], *lines[number + 1 :]])
            for at in range(len(line))
            for other in "0Az+ \u00a0"[at % 3 :: 3]
        ]
    mutants = [mutant for mutant in mutants if mutant != ONE_PACK]
    assert None not in agree(*mutants)


LONG = "9" * 19


@pytest.mark.parametrize(
    "change",
    [
        *[
            lambda o, n=n: o["parts"][1].update(n=n)
            for n in (0, 1, 2, 1000, 1002, 2**32, -1, 1001.0, True, None, "1001")
        ],
        *[lambda o, j=j: o["parts"][1]["items"][1].update(j=j) for j in (0, 399, 401, 1001, 2**40, -1, 1e3, False)],
        lambda o: o["parts"][1]["items"].reverse(),
        lambda o: o["parts"][1]["items"].append(o["parts"][1]["items"][1]),
        lambda o: o["parts"][1]["items"][0].pop("path"),
        lambda o: o["parts"][1]["items"][0]["path"].pop(),
        lambda o: o["parts"][1]["items"][0]["path"].append("00" * 32),
        lambda o: o["parts"][1]["items"][0].update(more=1),
        lambda o: o["parts"][1]["items"][0].update(path="00"),
        lambda o: o["parts"][1].update(items={}),
        lambda o: o["parts"][0].update(c="00" * 32),
        lambda o: o["parts"].__setitem__(0, {"c": "00" * 32}),
        lambda o: o["parts"].append({"c": "00" * 32}),
        lambda o: o["parts"].pop(),
        lambda o: o["parts"].__setitem__(3, {"c": o["parts"][3]["c"].upper()}),
        lambda o: o["parts"].__setitem__(3, {"c": o["parts"][3]["c"] + "00"}),
        lambda o: o["parts"].__setitem__(3, {"c": 7}),
        lambda o: o["parts"].__setitem__(3, None),
        lambda o: o.update(v="trace-opening/2"),
        lambda o: o.update({"__proto__": 1}),
        lambda o: o.update(constructor=1),
        lambda o: o.pop("recorded_at"),
        lambda o: o.update(recorded_at=int(o["recorded_at"])),
        *[lambda o, t=t: o.update(recorded_at=t) for t in ("", "00", "-1", "1\n", LONG, " 1", "1e3", "\u0661")],
        lambda o: o.update(event_id=o["event_id"] + "00"),
        lambda o: o.update(event_id=o["event_id"].upper()),
        lambda o: o.update(parts={}),
    ],
)
def test_openings_of_another_shape(agree: Agree, change: Callable[[Any], object]) -> None:
    assert agree(with_opening(ONE_PACK, change)) != [None]


EXTRA = LogProof.parse(ONE_PACK.encode()).extra or b""


def test_repeated_members_and_other_spellings_of_the_opening(agree: Agree) -> None:
    refused = [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"\xef\xbb\xbf" + EXTRA,
        b"[" * 100_000,
        b'{"a":NaN}',
        EXTRA + b"x",
        EXTRA[:-1],
        EXTRA[:-1] + b",}",
        EXTRA.replace(b'{"v":', b'{"v":"trace-opening/1","v":'),
        EXTRA.replace(b'"n":1001', b'"n":1001,"n":1001'),
        EXTRA.replace(b'"n":1001', b'"n":1001,"\\u006e":1001'),
        EXTRA.replace(b'"n":1001', b'"n":' + b"9" * 5000),
        EXTRA.replace(b'"n":1001', b'"n":01001'),
        EXTRA.replace(b'"n":1001', b'"n":+1001'),
        EXTRA.replace(b'"n":1001', b'"n":1001.'),
        EXTRA.replace(b'"v"', b"'v'"),
        EXTRA.replace(b"trace-opening", b"trace\\-opening"),
        EXTRA.replace(b"trace-opening", b"trace\topening"),
    ]
    accepted = [
        EXTRA,
        b" \n" + EXTRA.replace(b":", b" :\t") + b"\r\n",
        EXTRA.replace(b"trace-opening", b"trace\\u002dopening"),
    ]
    assert None not in agree(*[with_extra(ONE_PACK, extra) for extra in refused])
    assert set(agree(*[with_extra(ONE_PACK, extra) for extra in accepted])) == {None}


CONTENTS = [
    b"",
    b"{}",
    b"[]",
    b'"t"',
    b"1",
    b"null",
    b"\xff",
    b"\x00",
    b'{"type": "t"}',
    b'{"type":"t"}\n',
    b' {"type":"t"}',
    b'\xef\xbb\xbf{"type":"t"}',
    b'{"type":"t","type":"u"}',
    b'{"type":"t","typ\\u0065":"u"}',
    b'{"type":"a b\\"c\\\\ \xc3\xa9\xe2\x80\xa8"}',
    b'{"type":"\\ud800"}',
    b'{"type":"\\ud83d\\ude00"}',
    b'{"type":"\\x"}',
    b'{"type":"a\tb"}',
    b'{"type":"\xff"}',
    b'{"type":NaN}',
    b'{"type":-Infinity}',
    b'{"type":-0}',
    b'{"type":1e400,"action":[1.5E+3,-2,true,false,null,{}]}',
    b'{"type":.5}',
    b'{"type":1.}',
    b'{"type":"t"}{}',
    b'{"type":[[[[[[1]]]]]]}',
    b'{"type":' + b"[" * 400 + b"]" * 400 + b"}",
    b'{"__proto__":1}',
    b'{"__proto__":1,"__proto__":2}',
    b'{"toString":1}',
    b'{"readPoint":{"id":"x","https://dairy.example/ns#x":1e400}}',
    b'{"bizLocation":null,"readPoint":{"id":"x"}}',
    b'{"sourceList":[]}',
    b'{"bizStep":"packing"}',
    b'{"eventID":"x"}',
    b'{"ilmd":{}}',
    b'{"epcList":[]}',
    b'{"https://dairy.example/ns#x":1}',
    b'{"errorDeclaration":{"declarationTime":"x","reason":"y"}}',
    b'{"errorDeclaration":{"correctiveEventIDs":[]}}',
    b'{"errorDeclaration":{"reason":"x","correctiveEventIDs":[]}}',
    b'{"errorDeclaration":[]}',
    b'{"a":[1,[2,{"b":1,"b":2}]]}',
    b'{"list":"epcList","id":"x"}',
    b'{"list":"epcList","id":"x","quantity":1.50,"uom":"KGM"}',
    b'{"id":"x"}',
    b'{"list":"epcList","id":1}',
    b'{"list":["epcList"],"id":"x"}',
    b'{"list":"bizStep","id":"x"}',
    b'{"list":"epcList","id":"x","lot":"y"}',
]


@pytest.mark.parametrize("part", ["head", "what", "where", "why", "how", "more", "personal", "source"])
def test_bytes_of_every_kind_in_every_part_under_a_right_hash(agree: Agree, part: str) -> None:
    receipts = []
    for content in CONTENTS:
        fields: dict[str, Any] = {"head": b'{"type":"t"}', part: (content,) if part == "what" else content}
        event = stored_event(PALLET_LEAF, Parts(**fields))
        receipts.append(single(event, extent=ALL, items=[0] if part == "what" else []))
    codes = agree(*receipts)
    assert None in codes
    if part != "source":
        assert {"log.verification", "log.repeated_member"} <= set(codes)


def test_another_key_another_name_and_no_key(agree: Agree) -> None:
    same_name = SigningKey(ORIGIN, bytes(32)).verifier
    other_name = SigningKey("other.example/log", KEY.seed).verifier
    witness = VerifierKey(ORIGIN, KEY.verifier.algorithm.COSIGNATURE, KEY.verifier.public_key)
    for text in (ONE_PACK, WHOLE):
        assert agree(text, trusted=same_name.text) == ["log.unverified_note"]
        assert agree(text, trusted=other_name.text) == ["log.untrusted_key"]
        assert agree(text, trusted=witness.text) == ["log.untrusted_key"]
        assert agree(text, trusted="") == ["log.untrusted_key"]
        assert agree(text, trusted=f"{other_name.text}\n{same_name.text}\n{VKEY}") == [None]


STRANGE = "+\x00\x1c\t\x85\u00a0\u2028\ufeff\x7f\u200b"


def test_notes_that_are_not_as_they_must_be(agree: Agree) -> None:
    proof = LogProof.parse(ONE_PACK.encode())
    body, _, line = proof.checkpoint.partition("\n\n")
    name, blob = line.rstrip("\n").rsplit(" ", 1)
    raw = base64.b64decode(blob)
    unknown = "— w.example " + base64.b64encode(b"abcd" + bytes(64)).decode() + "\n"
    notes = [
        f"{body}\n\n{unknown}{line}",
        f"{body}\n\n{line}{line}",
        f"{body}\n\n{line}{unknown * 99}",
        f"{body}\n\n{line}{unknown * 100}",
        f"{body}\n\n{unknown}",
        f"{body}\n\n{line[:-1]}",
        f"{body}\n\n",
        f"{body}\n{line}",
        f"{body}\n\n\n{line}",
        f"{body}\n\nextension\n\n{line}",
        f"{body}\n\n{line.replace('—', '-')}",
        f"{body}\n\n{name} {base64.b64encode(raw[:4]).decode()}\n",
        f"{body}\n\n{name} {base64.b64encode(raw[:67]).decode()}\n",
        f"{body}\n\n{name} {base64.b64encode(raw + bytes(1)).decode()}\n",
        f"{body}\n\n{name} {blob.rstrip('=')}\n",
        *[
            f"{body}\n\n{unknown.replace('w.example', f'w{c}')}{line}"
            for c in "+\x00\x1c\t\x85\u00a0\u2028\ufeff\x7f\u200b"
        ],
        "x" * 1_000_001 + proof.checkpoint,
    ]
    signed = [
        "",
        f"{ORIGIN}\n",
        f"{ORIGIN}\n300\n",
        body + "\n",
        body + "\nextension\n",
        body + "\n\n",
        body.replace("\n300\n", "\n0300\n") + "\n",
        body.replace("\n300\n", "\n301\n") + "\n",
        body.replace("\n300\n", "\n70\n") + "\n",
        body.replace("\n300\n", "\n99999999999999999999\n") + "\n",
        body.replace(ORIGIN, "other.example/log") + "\n",
        body[:-1] + "\n",
    ]
    notes += [KEY.sign(text) for text in signed if text]
    codes = agree(*[LogProof(proof.index, proof.path, note, proof.extra).text() for note in notes])
    assert codes[:3] == [None, None, None]
    assert codes.count(None) >= 5
    assert {"log.unverified_note", "log.signature", "log.inclusion", "log.untrusted_key"} <= set(codes)


def witnesses(*numbers: int) -> list[PolicyWitness]:
    keys = [SigningKey(f"w{n}.example", sha256(bytes((n,))).digest()).verifier for n in numbers]
    return [
        PolicyWitness(f"w{n}", VerifierKey(key.name, key.algorithm.COSIGNATURE, key.public_key))
        for n, key in zip(numbers, keys, strict=True)
    ]


def test_witnesses_and_policies(agree: Agree) -> None:
    proof = LogProof.parse(ONE_PACK.encode())
    note, key = cosigned(proof.checkpoint.encode(), 1_772_352_901)
    text = LogProof(proof.index, proof.path, note.decode(), proof.extra).text()
    assert agree(text, trusted=f"{VKEY}\n{key.text}") == [None]
    bad = text[:-6] + ("A" if text[-6] != "A" else "B") + text[-5:]
    assert agree(bad, trusted=f"{VKEY}\n{key.text}") == ["log.signature"]
    assert agree(bad, trusted=VKEY) == [None]
    logs, one, others = (PolicyLog(KEY.verifier),), PolicyWitness("w", key), witnesses(1, 2)
    group = PolicyGroup("g", 1, ("w", "w1"))
    for policy, code in [
        (Policy(logs), None),
        (Policy(logs, (one,), (), "w"), None),
        (Policy(logs, (one, others[0]), (group,), "g"), None),
        (Policy(logs, (one, others[0]), (PolicyGroup("g", 2, ("w", "w1")),), "g"), "log.quorum"),
        (Policy(logs, (one, *others), (group, PolicyGroup("h", 2, ("g", "w2"))), "h"), "log.quorum"),
        (Policy((), (one,), (), "w"), "log.untrusted_key"),
    ]:
        assert agree(text, trusted=policy.encode().decode()) == [code]


ALTERED = st.one_of(altered_receipts(ONE_PACK), altered_receipts(receipt(frozenset({"what"}), [])))


@given(st.lists(ALTERED, min_size=16, max_size=16))
@settings(max_examples=25)
def test_altered_receipts(agree: Agree, mutants: list[bytes]) -> None:
    agree(*mutants)


@given(st.data())
@settings(max_examples=25)
def test_altered_openings(agree: Agree, data: st.DataObject) -> None:
    mutants = []
    for _ in range(16):
        extra = bytearray(EXTRA)
        for _ in range(data.draw(st.integers(1, 2))):
            extra[data.draw(st.integers(0, len(extra) - 1))] = data.draw(st.sampled_from(list(b'{}[]",:019afz \\-.e')))
        mutants.append(with_extra(ONE_PACK, bytes(extra)))
    agree(*mutants)


JSON_LIKE = st.recursive(
    st.sampled_from(["1", "-0.5e3", '"x"', '"\\u00e9"', "null", "true", "", "01", '"\\"', "NaN"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda values: f"[{','.join(values)}]"),
        st.lists(st.tuples(st.sampled_from(['"a"', '"b"', '"\\u0061"', "a", '"__proto__"']), inner), max_size=3).map(
            lambda pairs: "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"
        ),
    ),
    max_leaves=8,
)


@given(st.lists(JSON_LIKE, min_size=12, max_size=12))
@settings(max_examples=25)
def test_extensions_that_are_json_or_nearly(agree: Agree, values: list[str]) -> None:
    events = [stored_event(1, Parts(head=b'{"type":"t"}', more=f'{{"x":{value}}}'.encode())) for value in values]
    agree(*[single(event, extent=ALL, items=[]) for event in events])
