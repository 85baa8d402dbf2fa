"""A thread that rests, is woken and ends with its context."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from api.background import Background

FOR_EVER = 3_600.0


def looking(act: Callable[[Background], None]) -> Background:
    """Return a thread that acts again and again until it is to end."""

    def work() -> None:
        while not background.stops:
            act(background)

    background = Background("looking", work)
    return background


def test_what_wakes_it_before_it_rests_is_not_missed_and_its_end_cuts_the_rest_short() -> None:
    looks: list[int] = []
    looked = threading.Semaphore(0)

    def look(background: Background) -> None:
        looks.append(1)
        looked.release()
        background.rest(FOR_EVER)

    with looking(look) as background:
        for _ in range(3):
            looked.acquire()
            background.woken.set()
        looked.acquire()
    assert len(looks) >= 4


@pytest.mark.parametrize("seconds", [FOR_EVER, None])
def test_the_end_of_the_context_waits_for_the_end_of_the_work(seconds: float | None) -> None:
    ended: list[str] = []

    def work() -> None:
        background.rest(seconds)
        ended.append(threading.current_thread().name)

    with (background := Background("resting", work)):
        pass
    assert ended == ["resting"]


def test_a_pause_lasts_until_the_end_though_it_is_woken() -> None:
    ended: list[bool] = []

    def work() -> None:
        background.woken.set()
        background.pause(FOR_EVER)
        ended.append(background.stops)

    with (background := Background("pausing", work)):
        background.woken.wait()
    assert ended == [True]
