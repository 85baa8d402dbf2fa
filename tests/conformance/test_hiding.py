"""Whoever holds a receipt of one pack and all of the public log cannot test a guess about what is hidden.

The attacker has the true values in a dictionary and every salt that it was ever shown. The mutants show that the test
would notice: each leaves a way to tell a right guess from a wrong one.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import product
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from tests.support.logs import MadeUpLog, pallet_parts, stored_event
from traceability.ledger import commitment
from traceability.ledger.parts import Parts
from traceability.notary import receipt
from traceability.notary.ports import StoredEvent

PACK = 400
LEAF = 3
HIDDEN = pallet_parts()
Mutation = Callable[[pytest.MonkeyPatch], None]


def shown_to_others(parts: Parts) -> bytes:
    """Return, as one text, all that others get: the pack's receipt, their own event's whole one, tiles and entries."""
    made_up = MadeUpLog()
    made_up.grow(LEAF)
    hidden, own = _event(LEAF, parts), _event(LEAF + 1, Parts(head=b'{"type":"t"}', what=(HIDDEN.what[PACK],)))
    made_up.records += [hidden, own]
    made_up.integrate()
    one_pack = _open(hidden, frozenset({"where"}), [0, PACK])
    whole = _open(own, frozenset({"what", "where", "why", "how", "more", "personal", "source"}), [0])
    return b"\n".join([one_pack, whole, *(content.hex().encode() for content in made_up.tiles.files.values())])


def _event(index: int, parts: Parts) -> StoredEvent:
    return stored_event(index, parts)


def _open(event: StoredEvent, extent: frozenset[str], items: list[int]) -> bytes:
    opening = receipt.open_event(
        event.event_id,
        event.recorded_at,
        event.parts,
        event.salt,
        event.personal_salt,
        extent=extent,
        items=items,
    )
    return opening.encode() + b"".join(
        getattr(part, "content", b"") + b"".join(item.content for item in getattr(part, "items", ()))
        for part in opening.parts
    )


def dictionary() -> dict[str, bytes]:
    """Return the true values of everything that is hidden from the holder of the pack."""
    names = ("why", "how", "more", "personal", "source")
    items = {f"item {j}": item for j, item in enumerate(HIDDEN.what) if j not in (0, PACK)}
    return {name: getattr(HIDDEN, name) for name in names} | items


def shown_salts(shown: bytes) -> set[bytes]:
    """Collect every salt in the openings, and what someone would try who has none."""
    salts = {b"", bytes(32), *commitment.part_salts(bytes(32)), *commitment.item_salts(bytes(32), 4)}

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from (value[name] for name in ("s", "t") if name in value)
            for member in value.values():
                yield from walk(member)
        elif isinstance(value, list):
            for member in value:
                yield from walk(member)

    decoder = json.JSONDecoder()
    for line in shown.split(b"\n"):
        if line.startswith(b'{"v"'):
            salts |= {bytes.fromhex(salt) for salt in walk(decoder.raw_decode(line.decode(errors="replace"))[0])}
    return salts


def guesses(value: bytes, salts: set[bytes]) -> Iterator[str]:
    """Yield every text that would betray the value if it were shown."""
    for salt, part in product(salts, range(8)):
        yield sha256(b"\x03" + bytes((part,)) + salt + value).hexdigest()
    for salt in salts:
        yield sha256(b"\x05" + salt + value).hexdigest()
        yield sha256(salt + value).hexdigest()
    yield sha256(b"\x00" + value).hexdigest()
    yield str(uuid5(NAMESPACE_URL, value.hex()))


def betrayed(shown: bytes) -> list[str]:
    """Return the names of the hidden values that the attacker can confirm."""
    salts = shown_salts(shown)
    text = shown.decode(errors="replace")
    words = {text[i : i + 64] for i in range(len(text) - 63)}
    return [
        name
        for name, value in dictionary().items()
        if value in shown
        or any(guess in words or (len(guess) < 64 and guess in text) for guess in guesses(value, salts))
    ]


def zero_salts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(commitment, "part_salts", lambda _: [bytes(32)] * 6)
    patch.setattr(receipt, "part_salts", lambda _: [bytes(32)] * 6)


def zero_item_salts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(commitment, "item_salts", lambda _, count: [bytes(32)] * count)


def zero_secret(patch: pytest.MonkeyPatch) -> None:
    original = commitment.part_salts
    patch.setattr(commitment, "part_salts", lambda _: original(bytes(32)))
    patch.setattr(receipt, "part_salts", lambda _: original(bytes(32)))


def one_salt_for_all_parts(patch: pytest.MonkeyPatch) -> None:
    original = commitment.part_salts
    for module in (commitment, receipt):
        patch.setattr(module, "part_salts", lambda salt: original(salt)[:1] * 6)


def one_salt_for_all_items(patch: pytest.MonkeyPatch) -> None:
    original = commitment.item_salts
    patch.setattr(commitment, "item_salts", lambda salt, count: original(salt, 1) * count)


def personal_under_the_salts_of_others(patch: pytest.MonkeyPatch) -> None:
    for module in (commitment, receipt):
        patch.setattr(module, "personal_salts", lambda _: commitment.part_salts(bytes(32))[:2])


def salts_of_another_event(patch: pytest.MonkeyPatch) -> None:
    original = commitment.part_salts
    for module in (commitment, receipt):
        patch.setattr(module, "part_salts", lambda _: original(b"one for all events".ljust(32)))


def event_id_in_head(patch: pytest.MonkeyPatch) -> None:
    digest = uuid5(NAMESPACE_URL, HIDDEN.why.hex())
    _with_head_member(patch, b'"eventID":"urn:uuid:%s"' % str(digest).encode())


def content_digest_in_head(patch: pytest.MonkeyPatch) -> None:
    _with_head_member(patch, b'"eventID":"ni:///sha-256;%s"' % sha256(HIDDEN.why).hexdigest().encode())


def _with_head_member(patch: pytest.MonkeyPatch, member: bytes) -> None:
    def event(index: int, parts: Parts) -> StoredEvent:
        fields = {name: getattr(parts, name) for name in Parts.__dataclass_fields__}
        return stored_event(index, Parts(**fields | {"head": parts.head[:-1] + b"," + member + b"}"}))

    patch.setattr(f"{__name__}._event", event)


def test_no_guess_about_what_is_hidden_can_be_tested() -> None:
    assert betrayed(shown_to_others(HIDDEN)) == []


@pytest.mark.parametrize(
    ("mutation", "what"),
    [
        (zero_salts, "why"),
        (zero_item_salts, "item 401"),
        (zero_secret, "how"),
        (one_salt_for_all_parts, "why"),
        (one_salt_for_all_items, "item 401"),
        (personal_under_the_salts_of_others, "personal"),
        (salts_of_another_event, "how"),
        (event_id_in_head, "why"),
        (content_digest_in_head, "why"),
    ],
)
def test_a_mutant_betrays_what_it_hides(monkeypatch: pytest.MonkeyPatch, mutation: Mutation, what: str) -> None:
    mutation(monkeypatch)
    assert what in betrayed(shown_to_others(HIDDEN))


def test_the_attacker_would_find_what_is_shown_openly() -> None:
    shown = shown_to_others(HIDDEN)
    assert HIDDEN.where in shown
    assert HIDDEN.what[PACK] in shown
    assert (
        b64decode(json.loads(shown.split(b"\n")[0].partition(b"}]}{")[0] + b"}]}")["parts"][2]["bytes"]) == HIDDEN.where
    )
