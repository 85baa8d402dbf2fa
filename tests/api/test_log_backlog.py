"""What happens when events are recorded faster than they are published."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from api.app import create_app
from api.backlog import Backlog
from api.integrator import integrating
from api.notary import close_log, integrate_all
from api.settings import Settings
from api.wiring import Engine
from tests.api.conftest import serving
from tests.api.test_logs_http import observation, record
from traceability.ledger.organisations import Scope

Bearer = Callable[..., dict[str, str]]
MOST = 3


@pytest.fixture
def limited(engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Give the engine with a short backlog that is counted anew each time."""
    monkeypatch.setattr("api.backlog.LOOK_SECONDS", 0.0)
    return replace(engine, settings=settings.model_copy(update={"log_max_behind": MOST}))


def test_writers_come_again_when_publishing_is_too_far_behind(limited: Engine, bearer: Bearer) -> None:
    key = bearer("dairy.example", Scope.CAPTURE, Scope.QUERY)
    with serving(create_app(limited)) as client:

        def post() -> httpx.Response:
            return client.post("/epcis/capture", json={}, headers=key)

        record(limited, *map(observation, range(MOST)))
        assert post().status_code == 202
        record(limited, observation(MOST))
        for answer in (post(), client.post(f"/findings/{'0' * 32}/replay", headers=key)):
            assert (answer.status_code, answer.json()["code"]) == (503, "log.behind")
            assert answer.headers["retry-after"] == "5"
        assert client.get("/epcis/capture", headers=key).status_code == 200
        integrate_all(limited)
        assert post().status_code == 202


def test_the_backlog_counts_through_the_chain_of_logs(limited: Engine) -> None:
    backlog = Backlog(limited)
    assert backlog.behind() == 0
    record(limited, observation(1), observation(2))
    assert backlog.behind() == 2
    integrate_all(limited)
    assert backlog.behind() == 0
    record(limited, observation(3))
    close_log(limited, name="main-2", origin="dairy.example/2")
    record(limited, observation(4))
    assert backlog.behind() == 2
    integrate_all(limited)
    assert backlog.behind() == 0


def test_the_database_is_not_asked_for_every_request(engine: Engine) -> None:
    backlog = Backlog(engine)
    assert backlog.behind() == 0
    record(engine, observation(1))
    engine.pool.close()
    assert [backlog.behind() for _ in range(10)] == [0] * 10


def test_an_import_waits_for_the_log_and_goes_on_without_one(limited: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    record(limited, *map(observation, range(10)))
    backlog, stopping = Backlog(limited), threading.Event()
    monkeypatch.setattr("api.backlog.PAUSE_SECONDS", 600.0)
    waiting = threading.Thread(target=backlog.pause, args=(stopping,))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    with integrating(limited):
        waiting.join()
    assert backlog.behind() == 0
    record(limited, *map(observation, range(10, 20)))
    stopping.set()
    backlog.pause(stopping)
    monkeypatch.setattr("api.backlog.PAUSE_SECONDS", 0.0)
    backlog.pause(threading.Event())
    assert backlog.too_long
