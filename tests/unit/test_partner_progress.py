"""How far a repository has been read: whatever its pages and wherever a reading breaks off, nothing is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceability.errors import InvalidInputError
from traceability.ledger.partners import LONGEST_PAUSE_US, REMEMBERED, Progress, Standing, partner_name, pause_us

Times = list[int]


@given(
    st.lists(st.lists(st.integers(1, 60), max_size=4), min_size=1, max_size=8),
    st.lists(st.sampled_from(["go on", "token expired"]), max_size=8),
    st.booleans(),
)
def test_every_event_is_read_though_tokens_expire(pages: list[Times], fates: list[str], is_sorted: bool) -> None:  # noqa: FBT001
    """A repository of these pages, sorted or not, is asked from the cursor; every token may expire on its way."""
    everything = [time for page in pages for time in page]
    if is_sorted:
        everything.sort()
    read: set[int] = set()
    progress, fate = Progress(), iter(fates)
    while True:
        since = progress.since(0)
        answer = [(i, time) for i, time in enumerate(everything) if since is None or time >= since]
        cut = [answer[i : i + 2] for i in range(0, len(answer), 2)] or [[]]
        for number, page in enumerate(cut):
            progress = progress.begun(1)
            following = None if number == len(cut) - 1 else f"page {number + 1}"
            read.update(i for i, _ in page)
            progress = progress.after([time for _, time in page], [], following)
            # One that only looks sorted, to its last page, cannot be told from one that is.
            safe = is_sorted or not progress.ordered
            if following is not None and safe and next(fate, "go on") == "token expired":
                progress = progress.restarted()
                break
        else:
            break
    assert read == set(range(len(everything)))
    assert progress.cursor == max(everything, default=None)
    assert (progress.next, progress.seen, progress.began) == (None, None, None)


def test_the_cursor_follows_sorted_pages_and_waits_for_the_end_of_others() -> None:
    first = Progress(cursor=10).begun(1).after([8, 11, 12], ["a"], "next")
    assert (first.cursor, first.next, first.had) == (12, "next", ("a",))
    assert first.restarted() == Progress(cursor=12, had=("a",))
    unsorted = Progress(cursor=10).begun(1).after([12, 11], [], "next")
    assert (unsorted.cursor, unsorted.seen, unsorted.ordered) == (10, 12, False)
    still = unsorted.after([13, 14], [], "last")
    assert still.cursor == 10
    assert still.after([], [], None).cursor == 14
    back = first.after([11], [], "more")
    assert (back.cursor, back.ordered) == (10, False)


def test_an_answer_without_events_moves_nothing() -> None:
    assert Progress(cursor=5).begun(9).after([], [], None).cursor == 5
    assert Progress().begun(9).after([], [], None).cursor is None
    # Of the overlap alone as well: time does not run backwards.
    assert Progress(cursor=5).begun(9).after([3], [], None).cursor == 5


def test_only_the_last_events_are_remembered() -> None:
    had = Progress().after([1], [str(n) for n in range(REMEMBERED + 7)], None).had
    assert (len(had), had[0], had[-1]) == (REMEMBERED, "7", str(REMEMBERED + 6))


def test_pauses_grow_to_an_hour() -> None:
    pauses = [pause_us(60_000_000, failures) for failures in range(1, 40)]
    assert pauses[:3] == [120_000_000, 240_000_000, 480_000_000]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_US
    assert pause_us(2 * LONGEST_PAUSE_US, 5) == 2 * LONGEST_PAUSE_US


def test_the_rate_is_that_of_the_last_reading() -> None:
    standing = Standing(Progress(), 9, 0, False, 0, 0, None, None, 500, 250_000)  # noqa: FBT003
    assert standing.rate == 2_000
    assert replace(standing, last_us=None).rate is None


@pytest.mark.parametrize("name", ["", "A", "-a", ".a", "a/b", "a b", "ä", "a" * 64, "a\0"])
def test_what_cannot_be_a_name_is_said(name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        partner_name(name)
    assert caught.value.code == "partner.name"
