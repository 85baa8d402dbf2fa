"""The collector of cycles rests while any answer is being made, and never for good."""

from __future__ import annotations

import gc
from contextlib import ExitStack
from threading import Barrier, Thread

import pytest

from api import collector


def test_it_rests_until_the_outermost_pause_ends() -> None:
    assert gc.isenabled()
    with collector.paused():
        assert not gc.isenabled()
        with collector.paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


@collector.paused()
def fail() -> None:
    raise ValueError("inside")


def test_it_is_on_again_after_an_exception() -> None:
    with pytest.raises(ValueError, match="inside"):
        fail()
    assert gc.isenabled()
    with collector.paused():
        with pytest.raises(ValueError, match="inside"):
            fail()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_rests_while_any_thread_pauses_it() -> None:
    together, one_left = Barrier(2), Barrier(2)
    seen: list[bool] = []

    def short() -> None:
        with collector.paused():
            together.wait(60)
        one_left.wait(60)

    def long() -> None:
        with collector.paused():
            together.wait(60)
            one_left.wait(60)
            seen.append(gc.isenabled())

    threads = [Thread(target=short), Thread(target=long)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [False]
    assert gc.isenabled()


def test_many_threads_leave_it_on() -> None:
    seen: list[bool] = []

    def pause() -> None:
        for _ in range(200):
            with collector.paused():
                seen.append(gc.isenabled())

    threads = [Thread(target=pause) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 800
    assert not all(seen)
    assert gc.isenabled()


def test_pauses_of_which_one_always_lasts_do_not_keep_it_off_for_good() -> None:
    """On a busy server an answer begins before the last one ends, all day."""
    looked = 0
    with ExitStack() as last:
        last.enter_context(collector.paused())
        for _ in range(1_000):
            following = ExitStack()
            following.enter_context(collector.paused())
            last.close()
            looked += gc.isenabled()
            last.push(following.pop_all().__exit__)
    assert looked
    assert gc.isenabled()
    with collector.paused():
        assert not gc.isenabled()
