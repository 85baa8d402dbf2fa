"""Where the events of a document lie, whatever pieces its bytes come in."""

import json
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.epcis_events import document, event
from tests.support.outlines import Drops, events_of
from traceability.gs1.epcis import blocks as module
from traceability.gs1.epcis.outline import outline_of, spans_of
from traceability.gs1.epcis.strict_json import JsonTextError, Place

texts = st.text(st.sampled_from('ab"\\{}[],: \n/é€😀'), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(values, max_size=8),
    st.dictionaries(texts, values, max_size=3),
    st.integers(1, 40),
    st.sampled_from([1, 30, 200]),
    st.sampled_from([{"indent": None}, {"indent": 1, "ensure_ascii": False}]),
)
def test_every_event_is_found_in_every_document(
    events: list[Any], members: dict[str, Any], drop: int, block: int, written: dict[str, Any]
) -> None:
    members.pop("epcisBody", None)
    whole = {**members, "epcisBody": {"a": [[]], "eventList": events, "z": {}}, "after": members}
    data = json.dumps(whole, **written).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", block)
        outline = outline_of(Drops(data, drop))
    assert [json.loads(text) for text in events_of(data, outline, spans_of)] == events
    assert outline.events == len(events)
    assert outline.lists == ["$.epcisBody.eventList"]
    assert outline.size == len(data)
    assert [b.index for b in outline.blocks] == [b.number for b in outline.blocks]
    for one in outline.blocks:
        before = data[: one.offset].decode()
        assert one.place == Place(before.count("\n") + 1, len(before) - before.rfind("\n"))


@given(st.lists(values, max_size=4), st.data())
def test_what_is_cut_or_damaged_is_found_damaged_by_somebody(events: list[Any], data: st.DataObject) -> None:
    whole = json.dumps({"epcisBody": {"eventList": events}}).encode()
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = data.draw(st.sampled_from([whole[:at], whole[:at] + whole[at + 1 :], whole[:at] + b'"' + whole[at:]]))
    try:
        json.loads(damaged)
    except ValueError:
        pass
    else:
        return
    with pytest.raises(ValueError), pytest.MonkeyPatch.context() as patch:  # noqa: PT011, PT012 - ours and json's
        patch.setattr(module, "CHUNK", 16)
        try:
            outline = outline_of(BytesIO(damaged))
        except JsonTextError as error:
            raise ValueError from error
        for text in events_of(damaged, outline, spans_of):
            json.loads(text)
        raise AssertionError("nobody noticed")


def test_memory_does_not_grow_with_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 0

    class Watched:
        def __init__(self) -> None:
            self.left = 3_000  # events
            self.started = False

        def read(self, size: int, /) -> bytes:
            nonlocal most
            most = max(most, size)
            if not self.started:
                self.started = True
                return document()[:-3]
            self.left -= 1
            text = json.dumps(event()).encode()
            return text + b"," if self.left > 0 else text + b"]}}" if self.left == 0 else b""

    monkeypatch.setattr(module, "BLOCK_BYTES", 10_000)
    outline = outline_of(Watched())
    assert outline.events == 3_000
    assert most == 1 << 20
    assert len(outline.blocks) < outline.size / 10_000 + 2


def test_an_event_that_is_too_long_is_a_block_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_VALUE_BYTES", 500)
    long = event(epcList=[f"https://id.gs1.org/01/09521234000013/21/{i}" for i in range(100)])
    data = document(event(), long, event())
    assert [(block.events, block.size > 500) for block in outline_of(Drops(data, 7)).blocks] == [
        (1, False),
        (1, True),
        (1, False),
    ]


@pytest.mark.parametrize("data", [b"[" + b" " * 5_000_000, b"[" + b"1" * 5_000_000, b'["' + b"1" * 5_000_000])
def test_what_is_no_event_does_not_fill_the_memory(data: bytes) -> None:
    with pytest.raises(JsonTextError, match="where ',' or an event should be"):
        outline_of(BytesIO(data))
