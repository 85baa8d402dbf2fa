"""A witness that is killed at any moment: what it has cosigned it remembers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from adapters.system import SystemEntropy
from adapters.witness import cosigning_key
from api.settings import Settings
from api.witness import add_log, witness_folder
from tests.support.logs import KEY
from tests.support.witnesses import Branch
from traceability.notary.log_list import ListedLog

SIZE = 600
BRANCH = Branch(SIZE)
# Dies where it hurts most: what it will answer is decided, and written or not, and the answer has not left.
DYING = """
import os, sys
import adapters.witness.store as store
kept, dies = store.replace_file, sys.argv[1]
def replace_file(*arguments):
    if dies == "after":
        kept(*arguments)
    os.kill(os.getpid(), 9)
if dies != "never":
    store.replace_file = replace_file
sys.argv = ["traceability", "witness", "serve", "--port", "0", "--json"]
from api.__main__ import main
main()
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    settings = Settings(data=tmp_path / "data")
    cosigning_key(witness_folder(settings) / "key", "witness.example/w1", SystemEntropy())
    assert add_log(settings, ListedLog(KEY.verifier, KEY.name))
    return tmp_path / "data"


@contextmanager
def serving(data: Path, dies: str = "never") -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """Serve in a process of its own, which is killed in the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", DYING, dies],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TRACEABILITY_DATA": str(data)},
    )
    assert process.stdout is not None
    try:
        lines = list(iter(process.stdout.readline, "}\n"))
        with httpx.Client(base_url=json.loads("".join([*lines, "}"]))["url"], timeout=60) as client:
            yield process, client
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(("dies", "remembered"), [("before", 5), ("after", 9)])
def test_a_kill_between_memory_and_answer(data: Path, dies: str, remembered: int) -> None:
    with serving(data) as (_, client):
        assert client.post("/add-checkpoint", content=BRANCH.request(0, 5)).status_code == 200
    with serving(data, dies) as (_, client), pytest.raises(httpx.HTTPError):
        client.post("/add-checkpoint", content=BRANCH.request(5, 9))
    with serving(data) as (_, client):
        conflict = client.post("/add-checkpoint", content=BRANCH.request(0, 9))
        assert (conflict.status_code, conflict.text) == (409, f"{remembered}\n")
        assert client.post("/add-checkpoint", content=BRANCH.request(remembered, 12)).status_code == 200


def remembered(client: httpx.Client) -> int:
    """Return the size of the checkpoint that monitors are shown, 0 when there is none."""
    answer = client.get(f"/{sha256(KEY.name.encode()).hexdigest()}/checkpoint")
    return int(answer.text.split("\n")[1]) if answer.status_code == 200 else 0


def test_kills_at_any_moment_lose_no_cosigned_checkpoint(data: Path) -> None:
    answered = 0
    for delay in (0.05, 0.15, 0.3):
        with serving(data) as (process, client):
            # A kill may come between the first memory and the first answer: then it remembers what nobody was told.
            size = remembered(client)
            assert size >= answered
            killer = threading.Timer(delay, process.kill)
            with suppress(httpx.HTTPError):
                while size < SIZE:
                    answer = client.post("/add-checkpoint", content=BRANCH.request(size, size + 1))
                    assert answer.status_code == 200
                    size = answered = size + 1
                    if killer.ident is None:  # one answer is had, however slow the machine
                        killer.start()
            killer.join()
    assert answered > 0
