"""A log whose checkpoints are cosigned before they are served, with witnesses in memory and behind real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from adapters.memory.notary import MemoryLogDatabase
from adapters.memory.witness import MemoryWitnessStore
from adapters.memory.witnesses import MemoryWitnesses
from adapters.tiles import MemoryTileStore
from adapters.witness import HttpWitnesses
from api.witness import create_witness, create_witness_app
from tests.api.conftest import serving
from tests.support.crashes import Crash, Crashing
from tests.support.logs import KEY, MadeUpLog, StoppedClock, stored_event
from tests.support.witnesses import WITNESS_KEYS, policy_text, witness_settings
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.cosigning import ConsistencyPath, UnmetQuorumError, WitnessAnswer, Witnesses
from traceability.notary.errors import RolledBackError
from traceability.notary.fsck import check_database, check_files
from traceability.notary.log import Log, prove
from traceability.notary.note import CosigningKey, VerifierKey
from traceability.notary.policy import Policy, PolicyWitness
from traceability.notary.ports import Cosignature, SignedCheckpoint
from traceability.notary.receipt import open_event
from traceability.notary.trust import Trust
from traceability.notary.verify import VerifiedReceipt, verify
from traceability.notary.witness import Witness, WitnessStore

NOBODY = "http://127.0.0.1:9"  # the discard port, where nothing listens
COSIGNERS = [key.verifier for key in WITNESS_KEYS]
Make = Callable[..., Witnesses]


@pytest.fixture
def clock() -> StoppedClock:
    """The time of the witnesses."""
    return StoppedClock()


@pytest.fixture(params=["memory", "http"])
def make(request: pytest.FixtureRequest, tmp_path: Path, clock: StoppedClock) -> Iterator[Make]:
    """Give a function that makes the witnesses of a policy, those of `down` unreachable; they remember."""
    with ExitStack() as stack:
        served: dict[int, str] = {}
        stores = [MemoryWitnessStore() for _ in WITNESS_KEYS]

        def in_memory(quorum: str, count: int = 2, down: tuple[int, ...] = ()) -> Witnesses:
            return _in_memory(quorum, stores[:count], down, clock)

        def over_http(quorum: str, count: int = 2, down: tuple[int, ...] = ()) -> Witnesses:
            for number in range(count):
                if number not in served:
                    app = create_witness_app(create_witness(witness_settings(tmp_path, number), clock=clock))
                    served[number] = str(stack.enter_context(serving(app)).base_url)
            addresses = {number: NOBODY if number in down else served[number] for number in range(count)}
            policy = Policy.parse(policy_text(quorum, addresses))
            return stack.enter_context(HttpWitnesses(policy, timeout=20))

        yield in_memory if request.param == "memory" else over_http


def _in_memory(
    quorum: str, stores: Sequence[WitnessStore], down: tuple[int, ...] = (), clock: StoppedClock | None = None
) -> Witnesses:
    policy = Policy.parse(policy_text(quorum, dict.fromkeys(range(len(stores)), NOBODY)))
    logs = {KEY.name: (KEY.verifier,)}
    witnesses = {
        f"w{number}": Witness(WITNESS_KEYS[number], lambda: logs, store, clock or StoppedClock())
        for number, store in enumerate(stores)
        if number not in down
    }
    return MemoryWitnesses(policy, witnesses)


def served(made_up: MadeUpLog) -> tuple[Checkpoint, set[VerifierKey]]:
    data = made_up.tiles.checkpoint()
    assert data is not None
    checkpoint, note = open_checkpoint(data, KEY.verifier, COSIGNERS)
    return checkpoint, {key for key, _ in note.verified} - {KEY.verifier}


def assert_good(made_up: MadeUpLog) -> None:
    for report in (check_database(made_up.database), check_files(made_up.database, made_up.tiles)):
        assert report.clean, report.findings


def test_what_is_served_is_cosigned(make: Make) -> None:
    made_up = MadeUpLog(witnesses=make("all"))
    for size in (0, 3, 4, 300, 700):
        made_up.grow(size)
        made_up.integrate()
        assert (served(made_up)[0].size, served(made_up)[1]) == (size, set(COSIGNERS[:2]))
    assert_good(made_up)
    # What the database keeps as signed is our own note; the lines are beside it.
    last = made_up.database.last_signed()
    assert last is not None
    assert last.note.count("\u2014") == 1
    lines = made_up.database.cosignatures(700)
    assert [one.vkey for one in lines] == [key.text for key in COSIGNERS[:2]]
    assert (last.note + "".join(one.line for one in lines)).encode() == made_up.tiles.checkpoint()


def test_receipts_carry_the_cosignatures(make: Make) -> None:
    witnesses = make("all")
    made_up = MadeUpLog(witnesses=witnesses)
    made_up.grow(5)
    made_up.integrate()
    event = made_up.records[2]
    opening = open_event(
        event.event_id, event.recorded_at, event.parts, event.salt, event.personal_salt, extent=(), items=()
    )
    receipt = prove(made_up.tiles, KEY.verifier, 2, opening).text().encode()
    verified = verify(receipt, Trust((KEY.verifier,), policy=witnesses.policy))
    assert isinstance(verified, VerifiedReceipt)
    assert [name for name, _ in verified.cosignatures] == ["witness.example/w0", "witness.example/w1"]


def test_one_of_two_is_enough_when_the_policy_says_so(make: Make) -> None:
    made_up = MadeUpLog(witnesses=make("any", down=(0,)))
    made_up.grow(5)
    made_up.integrate()
    assert served(made_up)[1] == {COSIGNERS[1]}


def test_without_the_quorum_the_old_checkpoint_stays_until_the_witness_is_back(make: Make) -> None:
    made_up = MadeUpLog(witnesses=make("all"))
    made_up.grow(5)
    made_up.integrate()
    made_up.witnesses = make("all", down=(1,))
    made_up.grow(9)
    log = made_up.log()
    for _ in range(2):
        with pytest.raises(UnmetQuorumError, match="w1") as caught:
            log.integrate()
        assert "w0" not in caught.value.message
    assert served(made_up)[0].size == 5
    assert [one.vkey for one in made_up.database.cosignatures(9)] == [COSIGNERS[0].text]
    # What was signed is published first, whatever has come meanwhile.
    made_up.grow(20)
    made_up.witnesses = make("all")
    log = made_up.log()
    sizes = [checkpoint.size for checkpoint in iter(log.integrate, None)]
    assert sizes == [9, 20]
    assert served(made_up)[1] == set(COSIGNERS[:2])
    assert_good(made_up)


def test_without_a_quorum_witnesses_are_asked_and_not_needed(make: Make) -> None:
    made_up = MadeUpLog(witnesses=make("none", down=(0,)))
    made_up.grow(5)
    made_up.integrate()
    assert served(made_up)[1] == {COSIGNERS[1]}


def test_a_witness_that_missed_some_checkpoints_is_brought_up_by_its_409(make: Make) -> None:
    made_up = MadeUpLog(witnesses=make("any"))
    made_up.grow(5)
    made_up.integrate()
    made_up.witnesses = make("any", down=(0,))
    made_up.grow(300)
    made_up.integrate(100)
    made_up.witnesses = make("all", count=3)  # and a third one is new
    made_up.grow(301)
    made_up.integrate()
    assert served(made_up)[1] == set(COSIGNERS)


def test_a_restored_database_is_found_out_before_anything_is_signed(make: Make) -> None:
    made_up = MadeUpLog(witnesses=make("all"))
    for size in (5, 9):
        made_up.grow(size)
        made_up.integrate()
    # Database and files are those of an older day, and the ledger has gone another way since.
    restored = MadeUpLog([*made_up.records[:5], *(stored_event(i) for i in range(100, 103))], witnesses=make("all"))
    restored.database.signed = {5: made_up.database.signed[5]}
    with pytest.raises(RolledBackError, match="9 leaves"):
        restored.log().check()
    with pytest.raises(RolledBackError):
        restored.integrate()
    assert list(restored.database.signed) == [5]
    forgotten = MadeUpLog(restored.records, witnesses=make("all"))
    with pytest.raises(RolledBackError):
        forgotten.integrate()
    assert forgotten.database.signed == {}


def test_a_witness_that_goes_ahead_of_a_running_log_stops_it(make: Make) -> None:
    made_up = MadeUpLog(witnesses=make("any"))
    made_up.grow(5)
    made_up.integrate()
    behind = MadeUpLog(list(made_up.records), witnesses=made_up.witnesses)
    behind.database.signed = dict(made_up.database.signed)
    behind.tiles = MemoryTileStore()
    log = behind.log()
    log.integrate()
    made_up.grow(9)
    made_up.integrate()
    behind.grow(7)
    with pytest.raises(RolledBackError, match="9 leaves"):
        log.integrate()


class Liar:
    """The first witness says that it has cosigned a tree that nobody signed."""

    def __init__(self, witnesses: Witnesses) -> None:
        self._witnesses = witnesses
        self.policy = witnesses.policy
        self.latest = witnesses.latest

    def ask(
        self, witnesses: Sequence[PolicyWitness], signed: SignedCheckpoint, proof: ConsistencyPath
    ) -> Sequence[WitnessAnswer]:
        first, *others = witnesses
        return [WitnessAnswer(first, ahead=10**9, reason="409"), *self._witnesses.ask(others, signed, proof)]


def test_a_witness_that_only_says_that_it_is_ahead_does_not_stop_the_log(make: Make) -> None:
    made_up = MadeUpLog(witnesses=Liar(make("any")))
    made_up.grow(5)
    made_up.integrate()
    assert served(made_up)[1] == {COSIGNERS[1]}
    made_up.witnesses = Liar(make("all"))
    made_up.grow(9)
    with pytest.raises(UnmetQuorumError, match="409"):
        made_up.integrate()
    assert served(made_up)[0].size == 5


def test_a_fork_is_refused_and_the_quorum_is_not_met(make: Make) -> None:
    made_up = MadeUpLog(witnesses=make("all"))
    made_up.grow(5)
    made_up.integrate()
    fork = MadeUpLog([stored_event(i) for i in range(100, 105)], witnesses=make("all"))
    log = fork.log()
    log._witnesses_checked = True  # as if its operator had taken the check out
    with pytest.raises(UnmetQuorumError, match="two_roots"):
        log.integrate()
    assert fork.tiles.checkpoint() is None


def test_a_stored_line_that_was_damaged_is_asked_for_again(make: Make) -> None:
    made_up = MadeUpLog(witnesses=make("all"))
    made_up.grow(5)
    other = CosigningKey(WITNESS_KEYS[0].name, bytes(32)).cosign("text\n", 1).line()
    for line in ("nonsense", "\udcff\n", other, "\u2014 witness.example/w0 AAAA\n\nx\n"):
        made_up.database.cosigned = {5: {COSIGNERS[0].text: Cosignature(COSIGNERS[0].text, line)}}
        made_up.tiles = MemoryTileStore()
        made_up.integrate()
        assert served(made_up)[1] == set(COSIGNERS[:2])


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_call_leaves_a_cosigned_log_that_goes_on(*, after: bool) -> None:
    die_at, died, calls = 0, True, list[str]()
    while died:
        die_at += 1
        stores = [MemoryWitnessStore() for _ in range(2)]
        made_up = MadeUpLog(witnesses=_in_memory("all", stores))
        made_up.grow(300)
        calls = []
        parts: list[Any] = [
            Crashing(part, calls, die_at, after=after) for part in (made_up.database, made_up.tiles, made_up.witnesses)
        ]
        log = Log(parts[0], parts[1], KEY, StoppedClock(), parts[2])
        try:
            while log.integrate(150):
                pass
            died = False
        except Crash:
            pass
        made_up.grow(320)
        made_up.integrate(97)
        assert (served(made_up)[0].size, served(made_up)[1]) == (320, set(COSIGNERS[:2]))
        assert_good(made_up)
        assert [store.evidence() for store in stores] == [[], []]
    assert {"ask", "keep_cosignatures", "replace_checkpoint"} <= set(calls)


MINUTE = 60_000_000


class Counting:
    """Counts the questions to each witness."""

    def __init__(self, witnesses: Witnesses) -> None:
        self._witnesses = witnesses
        self.policy = witnesses.policy
        self.latest = witnesses.latest
        self.asked: list[str] = []

    def ask(
        self, witnesses: Sequence[PolicyWitness], signed: SignedCheckpoint, proof: ConsistencyPath
    ) -> Sequence[WitnessAnswer]:
        self.asked += [witness.name for witness in witnesses]
        return self._witnesses.ask(witnesses, signed, proof)


def seconds_of(made_up: MadeUpLog) -> list[int]:
    """The times of the served cosignatures, in the policy's order."""
    data = made_up.tiles.checkpoint()
    assert data is not None
    _, note = open_checkpoint(data, KEY.verifier, COSIGNERS)
    return [key.timestamp(signature) or 0 for key, signature in note.verified if key != KEY.verifier]


def idle(made_up: MadeUpLog, clock: StoppedClock) -> Log:
    """A log that has published all that there is."""
    log = Log(made_up.database, made_up.tiles, KEY, clock, made_up.witnesses)
    while log.integrate():
        pass
    return log


def test_an_idle_log_serves_the_same_tree_with_new_cosignatures(make: Make, clock: StoppedClock) -> None:
    made_up = MadeUpLog(witnesses=Counting(make("all")))
    counting = made_up.witnesses
    assert isinstance(counting, Counting)
    made_up.grow(300)
    log, start = idle(made_up, clock), clock.now // 1_000_000
    before, kept = made_up.tiles.checkpoint(), made_up.database.cosignatures(300)
    clock.now += MINUTE - 1_000_000
    counting.asked.clear()
    assert log.refresh(MINUTE)
    assert (made_up.tiles.checkpoint(), counting.asked) == (before, [])
    clock.now += 2_000_000
    assert log.refresh(MINUTE)
    assert (served(made_up)[0].size, seconds_of(made_up)) == (300, [start + 61, start + 61])
    assert counting.asked == ["w0", "w1"]
    # Another process that leads now finds nothing to do, and this one goes on from what it serves.
    other = idle(made_up, clock)
    assert other.refresh(MINUTE)
    assert log.refresh(MINUTE)
    assert counting.asked == ["w0", "w1"]
    assert made_up.database.cosignatures(300) == kept
    assert log.integrate() is None
    made_up.grow(301)
    checkpoint = log.integrate()
    assert checkpoint is not None
    assert checkpoint.size == 301
    assert_good(made_up)


def test_a_silent_witness_leaves_what_it_had_signed(make: Make, clock: StoppedClock) -> None:
    made_up = MadeUpLog(witnesses=make("all"))
    made_up.grow(5)
    idle(made_up, clock)
    start = clock.now // 1_000_000
    clock.now += 2 * MINUTE
    made_up.witnesses = make("all", down=(1,))
    log = idle(made_up, clock)
    assert not log.refresh(MINUTE)
    assert seconds_of(made_up) == [start + 120, start]
    made_up.witnesses = make("any", down=(1,))
    assert idle(made_up, clock).refresh(MINUTE)
    assert seconds_of(made_up) == [start + 120, start]
    made_up.witnesses = make("all")
    assert idle(made_up, clock).refresh(MINUTE)
    assert seconds_of(made_up) == [start + 120, start + 120]


def test_a_witness_that_was_down_when_the_tree_was_published_is_caught_up(make: Make, clock: StoppedClock) -> None:
    made_up = MadeUpLog(witnesses=make("all"))
    made_up.grow(5)
    idle(made_up, clock)
    made_up.witnesses = make("any", down=(1,))
    made_up.grow(300)
    idle(made_up, clock)
    clock.now += 2 * MINUTE
    made_up.witnesses = make("any")
    assert idle(made_up, clock).refresh(MINUTE)
    assert served(made_up)[1] == set(COSIGNERS[:2])
    assert {one.vkey for one in made_up.database.cosignatures(300)} == {key.text for key in COSIGNERS[:2]}
    assert_good(made_up)


def test_a_witness_that_is_ahead_of_an_idle_log_stops_it(make: Make, clock: StoppedClock) -> None:
    made_up = MadeUpLog(witnesses=make("any"))
    made_up.grow(5)
    idle(made_up, clock)
    behind = MadeUpLog(list(made_up.records), witnesses=made_up.witnesses)
    behind.database.signed = dict(made_up.database.signed)
    log = idle(behind, clock)
    made_up.grow(9)
    idle(made_up, clock)
    clock.now += 2 * MINUTE
    with pytest.raises(RolledBackError, match="9 leaves"):
        log.refresh(MINUTE)


def test_without_witnesses_and_under_the_quorum_none(make: Make, clock: StoppedClock) -> None:
    alone = MadeUpLog()
    alone.grow(5)
    log, before = idle(alone, clock), alone.tiles.checkpoint()
    clock.now += 2 * MINUTE
    assert log.refresh(MINUTE)
    assert alone.tiles.checkpoint() == before
    made_up = MadeUpLog(witnesses=make("none", down=(0,)))
    made_up.grow(5)
    log = idle(made_up, clock)
    clock.now += 2 * MINUTE
    assert log.refresh(MINUTE)
    assert seconds_of(made_up) == [clock.now // 1_000_000]


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_while_an_idle_log_is_cosigned_anew(*, after: bool) -> None:
    die_at, died, calls = 0, True, list[str]()
    while died:
        die_at += 1
        clock, stores = StoppedClock(), [MemoryWitnessStore() for _ in range(2)]
        made_up = MadeUpLog(witnesses=_in_memory("all", stores, clock=clock))
        made_up.grow(300)
        idle(made_up, clock)
        clock.now += 2 * MINUTE
        calls = []
        parts: list[Any] = [
            Crashing(part, calls, die_at, after=after) for part in (made_up.database, made_up.tiles, made_up.witnesses)
        ]
        log = Log(parts[0], parts[1], KEY, clock, parts[2])
        try:
            log.integrate()
            log.refresh(MINUTE)
            died = False
        except Crash:
            pass
        assert served(made_up)[1] == set(COSIGNERS[:2])
        assert idle(made_up, clock).refresh(MINUTE)
        assert seconds_of(made_up) == [clock.now // 1_000_000] * 2
        assert_good(made_up)
    assert {"ask", "keep_cosignatures", "replace_checkpoint"} <= set(calls)


def test_the_first_of_two_cosignatures_of_a_key_stays() -> None:
    database = MemoryLogDatabase(MadeUpLog().database.identity, [])
    for line in ("first", "second"):
        database.keep_cosignatures(5, [Cosignature("key", line)])
    assert database.cosignatures(5) == [Cosignature("key", "first")]
    assert database.cosignatures(6) == []
