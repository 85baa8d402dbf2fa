"""A witness over both stores, the files and their fake: what it cosigns, what it refuses, what it keeps."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.witness import MemoryWitnessStore
from adapters.witness import FileWitnessStore
from tests.support.logs import KEY, StoppedClock
from tests.support.witnesses import WITNESS_KEYS, Branch
from traceability.errors import UnavailableError
from traceability.merkle import EMPTY_ROOT, root_of
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.errors import DamagedLogError, VerificationError
from traceability.notary.evidence import Contradiction, Evidence
from traceability.notary.note import SigningKey, open_note, split_note
from traceability.notary.witness import AddCheckpoint, Answer, Witness, WitnessStore, origin_hash

COSIGNER = WITNESS_KEYS[0]
NOW = StoppedClock().now_us() // 1_000_000
SIZE = 40
HONEST = Branch(SIZE)
OLD_KEY = SigningKey("sum.example", bytes(32))
OLD_ORIGIN = "go.sum database tree"


@pytest.fixture(params=["files", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> WitnessStore:
    return FileWitnessStore(tmp_path / "witness") if request.param == "files" else MemoryWitnessStore()


def witness_of(store: WitnessStore) -> Witness:
    logs = {KEY.name: (KEY.verifier,), OLD_ORIGIN: (OLD_KEY.verifier,)}
    return Witness(COSIGNER, lambda: logs, store, StoppedClock())


@pytest.fixture
def witness(store: WitnessStore) -> Witness:
    return witness_of(store)


def status(answer: Answer) -> int:
    return answer.status


def test_a_checkpoint_is_cosigned_and_served_to_monitors(witness: Witness) -> None:
    assert witness.checkpoint(origin_hash(KEY.name)) is None
    answer = witness.add_checkpoint(HONEST.request(0, 5))
    assert answer.status == 200
    served = witness.checkpoint(origin_hash(KEY.name))
    assert served == HONEST.note(5) + answer.text.encode()
    note = open_note(served, [KEY.verifier, COSIGNER.verifier])
    assert [(key, key.timestamp(signature)) for key, signature in note.verified] == [
        (KEY.verifier, None),
        (COSIGNER.verifier, NOW),
    ]
    for old, size in [(5, 5), (5, 8), (8, 9), (9, 40)]:
        assert status(witness.add_checkpoint(HONEST.request(old, size))) == 200
    assert witness.checkpoint("../" + origin_hash(KEY.name)) is None


def test_the_empty_tree_is_cosigned_again_and_again(witness: Witness) -> None:
    for _ in range(2):
        assert status(witness.add_checkpoint(HONEST.request(0, 0))) == 200
    assert status(witness.add_checkpoint(HONEST.request(0, 7))) == 200


def test_signatures_of_strangers_are_neither_in_the_way_nor_remembered(witness: Witness) -> None:
    text = split_note(HONEST.note(3))[0]
    stranger = SigningKey("stranger.example", bytes(32)).sign(text).rpartition("\n\n")[2]
    assert status(witness.add_checkpoint(b"old 0\n\n" + HONEST.note(3) + stranger.encode())) == 200
    served = witness.checkpoint(origin_hash(KEY.name))
    assert served is not None
    assert b"stranger" not in served


def test_the_origin_need_not_be_the_name_of_the_key(witness: Witness) -> None:
    note = OLD_KEY.sign(Checkpoint(OLD_ORIGIN, 3, HONEST.root(3)).text())
    assert status(witness.add_checkpoint(b"old 0\n\n" + note.encode())) == 200
    # A key counts for its own origin only.
    note = OLD_KEY.sign(Checkpoint(KEY.name, 3, HONEST.root(3)).text())
    assert status(witness.add_checkpoint(b"old 0\n\n" + note.encode())) == 403


def altered(body: bytes, old: bytes, new: bytes) -> bytes:
    assert old in body
    return body.replace(old, new, 1)


SEVEN = HONEST.request(5, 7)
PROOF_LINE = SEVEN.split(b"\n")[1]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", 400),
        (b"old 5", 400),
        (altered(SEVEN, b"old 5", b"old 05"), 400),
        (altered(SEVEN, b"old 5", b"new 5"), 400),
        (altered(SEVEN, b"old 5\n", b"old 5\r\n"), 400),
        (altered(SEVEN, PROOF_LINE, PROOF_LINE + b" "), 400),
        (altered(SEVEN, PROOF_LINE, PROOF_LINE[4:]), 400),
        (altered(SEVEN, PROOF_LINE, b"\n".join([PROOF_LINE] * 64)), 400),
        (altered(SEVEN, b"\n7\n", b"\n07\n"), 400),
        (SEVEN + b"\xff", 400),
        (b"x" * 200_000, 400),
        (altered(SEVEN, b"old 5", b"old 8"), 400),
        (altered(SEVEN, KEY.name.encode() + b"\n7", b"other.example\n7"), 404),
        (altered(SEVEN, b"\n7\n", b"\n6\n"), 403),
        (SEVEN[:-2] + b"!\n", 403),
        (b"old 5\n\n" + SigningKey(KEY.name, bytes(32)).sign(split_note(HONEST.note(7))[0]).encode(), 403),
        (altered(SEVEN, b"old 5", b"old 4"), 409),
        (HONEST.request(0, 7), 409),
        (HONEST.request(0, 5), 409),
        (HONEST.request(3, 4), 409),
        (altered(SEVEN, PROOF_LINE + b"\n", b""), 422),
        (altered(SEVEN, PROOF_LINE, PROOF_LINE + b"\n" + PROOF_LINE), 422),
        (altered(HONEST.request(5, 5), b"old 5\n", b"old 5\n" + PROOF_LINE + b"\n"), 422),
        (Branch(SIZE, 2, b"fork").request(5, 7), 422),
        (Branch(SIZE, 2, b"fork").request(5, 5), 422),
    ],
)
def test_what_is_not_cosigned(witness: Witness, body: bytes, expected: int) -> None:
    assert status(witness.add_checkpoint(HONEST.request(0, 5))) == 200
    remembered = witness.checkpoint(origin_hash(KEY.name))
    answer = witness.add_checkpoint(body)
    assert answer.status == expected, answer.text
    if expected == 409:
        assert (answer.text, answer.content_type) == ("5\n", "text/x.tlog.size")
    assert witness.checkpoint(origin_hash(KEY.name)) == remembered
    assert status(witness.add_checkpoint(SEVEN)) == 200


def test_the_first_checkpoint_needs_no_proof_and_may_have_none(witness: Witness) -> None:
    body = altered(HONEST.request(0, 7), b"old 0\n", b"old 0\n" + PROOF_LINE + b"\n")
    assert status(witness.add_checkpoint(body)) == 422
    empty = KEY.sign(Checkpoint(KEY.name, 0, bytes(32)).text()).encode()
    assert status(witness.add_checkpoint(b"old 0\n\n" + empty)) == 422
    assert witness.checkpoint(origin_hash(KEY.name)) is None


def test_two_roots_of_one_size_are_kept_whatever_old_size_they_come_with(witness: Witness, store: WitnessStore) -> None:
    witness.add_checkpoint(HONEST.request(0, 5))
    known = witness.checkpoint(origin_hash(KEY.name))
    forks = [Branch(SIZE, 2, b"a"), Branch(SIZE, 2, b"b")]
    answer = witness.add_checkpoint(forks[0].request(5, 5))
    assert "two_roots" in answer.text
    assert status(witness.add_checkpoint(forks[1].request(0, 5))) == 409
    witness.add_checkpoint(forks[1].request(0, 5))  # and once only
    kept = store.evidence()
    assert [one.contradiction for one in kept] == [Contradiction.TWO_ROOTS] * 2
    assert {one.submitted for one in kept} == {fork.note(5) for fork in forks}
    assert {one.known for one in kept} == {known}
    assert kept[0].checkpoints[0].root == HONEST.root(5)
    assert [Evidence.parse(one.encode()) for one in kept] == kept


def test_a_log_that_proves_itself_another_history_is_convicted_by_its_proof(
    witness: Witness, store: WitnessStore
) -> None:
    witness.add_checkpoint(HONEST.request(0, 5))
    fork = Branch(SIZE, 2, b"fork")
    assert "two_histories" in witness.add_checkpoint(fork.request(5, 9)).text
    (evidence,) = store.evidence()
    assert evidence.contradiction is Contradiction.TWO_HISTORIES
    assert evidence.proof == fork.proof(5, 9)
    # Somebody else's wrong proof for a good checkpoint convicts nobody, and cannot fill the disk.
    for size in range(10, 35):
        body = AddCheckpoint(5, (bytes(32),), HONEST.note(size)).encode()
        assert "does not verify" in witness.add_checkpoint(body).text
    unproven = [one for one in store.evidence() if one.contradiction is Contradiction.UNPROVEN]
    assert len(unproven) == 16
    # At a power of two the path has no node for the old tree, so that the log's own proof says less.
    assert status(witness.add_checkpoint(HONEST.request(5, 8))) == 200
    assert "does not verify" in witness.add_checkpoint(fork.request(8, 9)).text
    assert status(witness.add_checkpoint(fork.request(8, 8))) == 422


def test_of_two_requests_at_once_one_waits_for_the_other(store: WitnessStore) -> None:
    witness = witness_of(store)
    witness.add_checkpoint(HONEST.request(0, 5))
    start = threading.Barrier(8)
    answers: list[tuple[int, Answer]] = []

    def work(size: int) -> None:
        start.wait()
        answers.append((size, witness.add_checkpoint(HONEST.request(5, size))))

    threads = [threading.Thread(target=work, args=(size,)) for size in range(10, 18)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [size for size, answer in answers if answer.status == 200]
    assert {answer.text for _, answer in answers if answer.status == 409} == {f"{winner}\n"}
    served = witness.checkpoint(origin_hash(KEY.name))
    assert served is not None
    assert Checkpoint.parse(split_note(served)[0]).size == winner


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_it_never_signs_two_inconsistent_trees(data: st.DataObject) -> None:
    """Any order of honest and forked checkpoints, with the right and the wrong proofs, from any old size."""
    branches = [HONEST, *(Branch(SIZE, fork, b"%d" % fork) for fork in (0, 3, 4, 8, 20))]
    witness = witness_of(MemoryWitnessStore())
    signed: set[tuple[int, bytes]] = set()
    for _ in range(data.draw(st.integers(1, 12))):
        branch, prover = data.draw(st.sampled_from(branches)), data.draw(st.sampled_from(branches))
        size, old = data.draw(st.integers(0, SIZE)), data.draw(st.integers(0, SIZE))
        latest = max(signed, default=(0, EMPTY_ROOT))[0]
        if data.draw(st.booleans()):
            old = latest
        answer = witness.add_checkpoint(AddCheckpoint(old, prover.proof(old, size), branch.note(size)).encode())
        if answer.status == 200:
            signed.add((size, branch.root(size)))
        elif old == latest <= size and prover is branch:
            # What is refused although it came right is no extension of what was signed.
            assert latest > 0
            assert (latest, branch.root(latest)) not in signed
    assert any(all(root_of(branch.leaves[:size]) == root for size, root in signed) for branch in branches)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything(data: bytes) -> None:
    witness = witness_of(MemoryWitnessStore())
    for body in (data, b"old 0\n\n" + data, b"old 0\n" + data + b"\n\n" + HONEST.note(3)):
        assert witness.add_checkpoint(body).status in (200, 400, 403, 404, 422)
    for parse in (AddCheckpoint.parse, Evidence.parse):
        try:
            parse(data)
        except VerificationError:
            continue


def test_what_is_remembered_and_does_not_verify_is_not_built_upon(tmp_path: Path) -> None:
    witness = witness_of(FileWitnessStore(tmp_path))
    witness.add_checkpoint(HONEST.request(0, 5))
    file = tmp_path / origin_hash(KEY.name) / "checkpoint"
    good = file.read_bytes()
    for damaged in (good.replace(b"\n5\n", b"\n4\n"), b"", HONEST.note(5)[:40]):
        file.write_bytes(damaged)
        with pytest.raises(DamagedLogError):
            witness.add_checkpoint(HONEST.request(5, 7))
        assert file.read_bytes() == damaged
    file.write_bytes(good)
    assert status(witness.add_checkpoint(HONEST.request(5, 7))) == 200


def test_a_store_that_cannot_remember_cosigns_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way")
    with pytest.raises(UnavailableError) as caught:
        witness_of(FileWitnessStore(tmp_path / "folder")).add_checkpoint(HONEST.request(0, 5))
    assert caught.value.code == "witness.storage"
