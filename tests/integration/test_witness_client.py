"""The client of witnesses against servers that are slow, wrong or hostile."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from adapters.witness import HttpWitnesses
from adapters.witness.client import check_address
from tests.api.conftest import serving
from tests.support.captures import wait_until
from tests.support.logs import KEY
from tests.support.witnesses import WITNESS_KEYS, Branch, policy_text
from traceability.errors import InvalidInputError
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.cosigning import WitnessAnswer
from traceability.notary.note import CosigningKey, Signature, text_of_note
from traceability.notary.policy import Policy
from traceability.notary.ports import SignedCheckpoint

BRANCH, SIZE = Branch(20), 9
NOTE = BRANCH.note(SIZE).decode()
SIGNED = SignedCheckpoint(Checkpoint(KEY.name, SIZE, BRANCH.root(SIZE)), NOTE, 0)
WITNESS = WITNESS_KEYS[0]
GOOD = WITNESS.cosign(text_of_note(NOTE.encode()), 1_772_352_901).line()
Behaviour = Callable[[Request], Response]
Ask = Callable[..., WitnessAnswer]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def witnesses(stack: ExitStack) -> Callable[..., HttpWitnesses]:
    """Give a function that serves a behaviour and makes the client of it."""

    def make(behaviour: Behaviour, timeout: float = 20, prefix: str = "") -> HttpWitnesses:
        routes = [Route(f"{prefix.rstrip('/')}/{{path:path}}", behaviour, methods=["GET", "POST"])]
        address = str(stack.enter_context(serving(Starlette(routes=routes))).base_url)
        policy = Policy.parse(policy_text("all", {0: address.rstrip("/") + prefix}))
        return stack.enter_context(HttpWitnesses(policy, timeout=timeout))

    return make


def ask(witnesses: HttpWitnesses) -> WitnessAnswer:
    (answer,) = witnesses.ask(witnesses.policy.witnesses, SIGNED, lambda old: BRANCH.proof(old, SIZE))
    return answer


def test_a_cosignature_is_taken_out_of_what_else_is_answered(witnesses: Callable[..., HttpWitnesses]) -> None:
    stranger = CosigningKey("stranger.example", bytes(32)).cosign(text_of_note(NOTE.encode()), 1).line()
    answer = ask(witnesses(lambda _: Response(stranger + GOOD), prefix="/of/w0/"))
    assert answer.cosignature is not None
    assert answer.cosignature.line() == GOOD


def timeless() -> str:
    cosignature = WITNESS.cosign(text_of_note(NOTE.encode()), 0)
    return Signature(WITNESS.name, WITNESS.verifier.key_id, cosignature.payload).line()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff\xfe",
        GOOD.replace("w0", "w1").encode(),
        GOOD.encode()[:-1],
        b"\n" + GOOD.encode(),
        f"x\n\n{GOOD}".encode(),
        WITNESS.cosign("another text\n", 5).line().encode(),
        timeless().encode(),
        GOOD.encode() * 101,
    ],
)
def test_what_is_no_cosignature(witnesses: Callable[..., HttpWitnesses], answer: bytes) -> None:
    told = ask(witnesses(lambda _: Response(answer)))
    assert told.cosignature is None
    assert "no cosignature" in told.reason


@pytest.mark.parametrize(
    ("status", "body", "ahead"),
    [
        (409, b"10\n", 10),
        (409, b"9\n", None),
        (409, b"10", None),
        (409, b"010\n", None),
        (409, b"-1\n", None),
        (409, b"\xff\n", None),
        (404, b"unknown log\n", None),
        (500, b"\x1b[2J", None),
    ],
)
def test_refusals(witnesses: Callable[..., HttpWitnesses], status: int, body: bytes, ahead: int | None) -> None:
    told = ask(witnesses(lambda _: Response(body, status)))
    assert (told.cosignature, told.ahead) == (None, ahead)
    assert f"it answers {status}" in told.reason
    assert told.reason.isprintable()


def test_the_proof_is_from_the_size_that_the_witness_says(witnesses: Callable[..., HttpWitnesses]) -> None:
    seen: list[bytes] = []

    async def behaviour(request: Request) -> Response:
        body = await request.body()
        seen.append(body)
        return Response(GOOD) if body.startswith(b"old 5\n") else Response("5\n", 409)

    client = witnesses(behaviour)
    assert ask(client).cosignature is not None
    assert seen == [BRANCH.request(0, SIZE), BRANCH.request(5, SIZE)]
    # It is asked from the size that it has cosigned; one that was restored says another.
    assert ask(client).cosignature is not None
    assert seen[2:] == [BRANCH.request(SIZE, SIZE), BRANCH.request(5, SIZE)]


def test_a_witness_that_moves_for_ever_is_given_up(witnesses: Callable[..., HttpWitnesses]) -> None:
    sizes = iter(range(1, 9))
    assert ask(witnesses(lambda _: Response(f"{next(sizes)}\n", 409))).cosignature is None
    assert next(sizes) == 4


def test_a_redirect_is_not_followed(witnesses: Callable[..., HttpWitnesses]) -> None:
    paths: list[str] = []

    def behaviour(request: Request) -> Response:
        paths.append(request.url.path)
        return RedirectResponse("/elsewhere", 307)

    assert "it answers 307" in ask(witnesses(behaviour)).reason
    assert paths == ["/add-checkpoint"]


def test_a_slow_witness_is_not_waited_for_and_then_left_alone(witnesses: Callable[..., HttpWitnesses]) -> None:
    asked: list[str] = []
    release = threading.Event()

    def behaviour(request: Request) -> Response:
        asked.append(request.url.path)
        release.wait(120)
        return Response(GOOD)

    client = witnesses(behaviour, timeout=1)
    try:
        reasons = [ask(client).reason]
        assert "did not answer within 1 s" in reasons[0]

        def is_left_alone() -> bool:
            reasons.append(ask(client).reason)
            return "a moment ago" in reasons[-1]

        wait_until(is_left_alone)
        # Often one; a slow machine may have let the pause pass, and asked again.
        assert 1 <= len(asked) < len(reasons)
    finally:
        release.set()


def test_a_witness_that_sends_a_byte_at_a_time_or_too_many_is_cut_off(
    witnesses: Callable[..., HttpWitnesses],
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b"x" * 1_000

    assert "too much" in ask(witnesses(lambda _: StreamingResponse(endless()))).reason


def test_one_that_is_down_and_comes_back(stack: ExitStack, witnesses: Callable[..., HttpWitnesses]) -> None:
    policy = Policy.parse(policy_text("all", {0: "http://127.0.0.1:9"}))
    down = stack.enter_context(HttpWitnesses(policy, timeout=60))
    assert "cannot be reached" in ask(down).reason
    assert down.latest(KEY.name) == []
    back = witnesses(lambda _: Response(GOOD))
    down._policy = back.policy
    reasons = []
    while (answer := ask(down)).cosignature is None:
        reasons.append(answer.reason)
        time.sleep(0.05)
    assert set(reasons) <= {"it did not answer a moment ago"}
    assert down._pauses == {}


def test_the_latest_is_what_the_witness_serves(witnesses: Callable[..., HttpWitnesses]) -> None:
    client = witnesses(lambda _: Response(NOTE))
    assert client.latest(KEY.name) == [(client.policy.witnesses[0], NOTE.encode())]
    assert witnesses(lambda _: Response("no", 404)).latest(KEY.name) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://witness.example",
        "https://witness.example:8443/of/dairy",
        "http://127.0.0.1:1/",
        "http://[::1]:1",
        "http://localhost:1",
    ],
)
def test_addresses_that_may_be_asked(url: str) -> None:
    check_address(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://witness.example",
        "http://10.0.0.1",
        "http://169.254.169.254/latest",
        "http://127.0.0.1.example.com",
        "http://0.0.0.0",
        "https://",
        "https://user:secret@witness.example",
        "https://witness.example?x",
        "https://witness.example/#x",
        "https://witness.example:x",
        "https://[::1",
        "file:///etc/passwd",
        "witness.example",
        "\udcff",
    ],
)
def test_addresses_that_may_not(url: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_address(url)
    assert caught.value.code == "witness.address"
