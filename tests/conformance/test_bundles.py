"""Bundles against two verifiers: ours, and one that was written from the documents alone."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.bundle_verifier import verify_bundle as independent
from tests.support.bundles import answer_over, bundle_of, opening_of, share_of
from tests.support.logs import FIRST_POSITION, KEY, MadeUpLog, pallet_parts, stored_event
from traceability.ledger.access import SHAREABLE_PARTS
from traceability.notary.archive import read_archive
from traceability.notary.bundle import BundledLog, Kind, Manifest, write_bundle
from traceability.notary.errors import DamagedLogError, VerificationError
from traceability.notary.multiproof import MultiProof
from traceability.notary.note import Algorithm, Signature, SigningKey, VerifierKey
from traceability.notary.policy import Policy, PolicyLog, PolicyWitness
from traceability.notary.trust import Trust
from traceability.notary.verify import verify
from traceability.notary.verify_bundle import VerifiedBundle, verify_bundle

VKEY = KEY.verifier.text
TRUST = Trust((KEY.verifier,))
PALLET_LEAF = 70
SIZE = 300
INDICES = [0, 3, PALLET_LEAF, 71, 255, 256, 299]
WITNESS = SigningKey("w.example", bytes(range(32, 64)))


def made_up_log() -> MadeUpLog:
    log = MadeUpLog()
    log.grow(PALLET_LEAF)
    log.records.append(stored_event(PALLET_LEAF, pallet_parts(20)))
    log.records.extend(stored_event(i) for i in range(PALLET_LEAF + 1, SIZE))
    log.integrate()
    return log


LOG = made_up_log()
BUNDLE = bundle_of(LOG, INDICES, extent=SHAREABLE_PARTS, items=[0, 7])


def both_accept(data: bytes) -> bool:
    """Verify with both, who must agree; ours may raise nothing but its own error."""
    try:
        verify_bundle(data, TRUST)
        ours = True
    except VerificationError:
        ours = False
    try:
        independent(data, [VKEY])
        theirs = True
    except Exception:  # noqa: BLE001 - the second verifier refuses by any exception
        theirs = False
    assert ours == theirs
    return ours


def files_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            with archive.open(name, "w") as file:
                file.write(content)
    return out.getvalue()


def changed(name: str, change: Callable[[bytes], bytes]) -> bytes:
    files = files_of(BUNDLE)
    files[name] = change(files[name])
    return zipped(files)


def changed_json(name: str, change: Callable[[Any], object]) -> bytes:
    value = json.loads(files_of(BUNDLE)[name])
    change(value)
    return changed(name, lambda _: json.dumps(value).encode())


def test_both_verifiers_read_the_same() -> None:
    ours, theirs = verify(BUNDLE, TRUST), independent(BUNDLE, [VKEY])
    assert isinstance(ours, VerifiedBundle)
    (log,) = ours.logs
    assert log.positions == theirs["positions"] == [FIRST_POSITION + index for index in INDICES]
    assert json.loads(ours.answer) == theirs["answer"]
    for opening, index, shown in zip(log.openings, INDICES, theirs["events"], strict=True):
        event = LOG.records[index]
        assert opening.event_id.hex == shown["event_id"] == event.event_id.hex
        assert opening.shown().head == shown["parts"][0] == event.parts.head
        assert list(opening.shown().what) == shown["items"]
        assert 6 not in shown["parts"]
        assert 7 not in shown["parts"]
    assert list(log.openings[2].shown().what) == [LOG.records[PALLET_LEAF].parts.what[i] for i in (0, 7)]


def test_what_is_withheld_is_nowhere_in_it() -> None:
    everything = b"".join(files_of(BUNDLE).values())
    pallet = LOG.records[PALLET_LEAF]
    for secret in (pallet.salt, pallet.personal_salt):
        assert secret.hex().encode() not in everything
    events = files_of(BUNDLE)["events.ndjson"].decode()
    shown = [part for line in events.splitlines() for part in json.loads(line)["parts"]]
    assert sum("items" in part for part in shown) == len(INDICES)


def test_it_says_in_words_what_is_proven_and_what_is_not() -> None:
    lines = verify(BUNDLE, TRUST).lines()
    assert f"proven: 7 events in {KEY.name} of {SIZE}" in lines
    assert "proven: answer.json names no event but these" in lines
    assert "withheld, if it exists: 19 items, personal of 7 events, source of 7 events" in lines
    assert "not proven: that answer.json follows from these events; nobody signs answers" in lines
    assert "not proven: that no other event about the same things was left out" in lines
    assert any(line.startswith("not proven: that everybody is shown this tree") for line in lines)


def test_the_same_answer_gives_the_same_bytes() -> None:
    assert bundle_of(LOG, INDICES, extent=SHAREABLE_PARTS, items=[0, 7]) == BUNDLE


def test_stored_files_are_read_as_packed_ones_are() -> None:
    assert both_accept(zipped(files_of(BUNDLE), zipfile.ZIP_STORED))
    assert both_accept(zipped(files_of(BUNDLE)))


def test_a_file_that_the_format_does_not_know_is_named_as_not_checked() -> None:
    more = zipped({**files_of(BUNDLE), "1.tsr": b"a timestamp"})
    assert both_accept(more)
    assert "not checked: 1.tsr" in verify(more, TRUST).lines()


@given(st.data())
def test_a_changed_byte_is_found_by_both_or_changes_nothing(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(BUNDLE) - 1))
    other = bytearray(BUNDLE)
    other[at] ^= data.draw(st.integers(1, 255))
    # Times and attributes of the zip mean nothing.
    if both_accept(bytes(other)):
        assert read_archive(bytes(other)) == read_archive(BUNDLE)


@given(st.data())
def test_a_changed_byte_in_a_file_is_found_by_both(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["events.ndjson", "1.proof", "1.checkpoint"]))
    content = bytearray(files_of(BUNDLE)[name])
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    assert not both_accept(changed(name, lambda _: bytes(content)))


@given(st.integers(0, len(BUNDLE) - 1))
def test_a_cut_bundle_is_refused(end: int) -> None:
    assert not both_accept(BUNDLE[:end])


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda rest: BUNDLE[:30] + rest))
def test_any_bytes_are_refused_by_our_own_error(data: bytes) -> None:
    assert not both_accept(data)
    with pytest.raises(VerificationError):
        verify(data, TRUST)


@pytest.mark.parametrize("name", sorted(files_of(BUNDLE)))
def test_every_file_has_to_be_there(name: str) -> None:
    files = files_of(BUNDLE)
    del files[name]
    assert not both_accept(zipped(files))


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: answer["events"].append({"position": FIRST_POSITION + 1}),
        lambda answer: answer["edges"][0]["positions"].append(FIRST_POSITION + 1),
        lambda answer: answer.update(history=[{"x": {"opened_by": FIRST_POSITION + 2}}]),
        lambda answer: answer.update(history=[{"closed_by": FIRST_POSITION + 2}]),
        lambda answer: answer.update(history=[{"retracted_by": "019ca877-0c1b-7000-8000-000000000001"}]),
        lambda answer: answer["events"][0].update(event_id=answer["events"][1]["event_id"]),
        lambda answer: answer["events"][0].update(event_id=answer["events"][0]["event_id"].upper()),
        lambda answer: answer["events"][0].update(leaf_index=5),
        lambda answer: answer["events"][0].update(leaf_index=False),
        lambda answer: answer["events"][0].update(position=str(FIRST_POSITION)),
        lambda answer: answer["events"][1].update(position=True),
        lambda answer: answer["edges"][0].update(positions=FIRST_POSITION),
        lambda answer: answer.update(known_at=answer["known_at"] - 1),
        lambda answer: answer.pop("known_at"),
    ],
)
def test_an_answer_that_names_another_event_is_refused(change: Callable[[Any], object]) -> None:
    assert not both_accept(changed_json("answer.json", change))


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: answer.update(note="nobody signs this"),
        lambda answer: answer["events"].pop(),
        lambda answer: answer["events"][0].update(leaf_index=None),
        lambda answer: answer.update(history=[{"opened_by": FIRST_POSITION, "closed_by": None, "retracted_by": None}]),
        lambda answer: answer.update(retracted_by=answer["events"][0]["event_id"]),
    ],
)
def test_an_answer_that_names_these_events_only_is_taken_as_it_is(change: Callable[[Any], object]) -> None:
    assert both_accept(changed_json("answer.json", change))


@pytest.mark.parametrize("answer", [b"", b"[]", b"\xff", b'{"known_at":310,"known_at":310}', b'{"known_at":NaN}'])
def test_an_answer_that_is_no_json_object_is_refused(answer: bytes) -> None:
    assert not both_accept(changed("answer.json", lambda _: answer))


def test_an_answer_may_not_name_what_was_not_known_yet() -> None:
    def earlier(value: dict[str, Any]) -> None:
        value["known_at"] = FIRST_POSITION + INDICES[-1] - 1

    files = files_of(BUNDLE)
    for name in ("answer.json", "bundle.json"):
        value = json.loads(files[name])
        earlier(value)
        files[name] = json.dumps(value).encode()
    assert not both_accept(zipped(files))


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.update(v="trace-bundle/2"),
        lambda manifest: manifest.update(kind="events"),
        lambda manifest: manifest.update(more=1),
        lambda manifest: manifest.pop("reader"),
        lambda manifest: manifest.update(logs=[]),
        lambda manifest: manifest["logs"].append(manifest["logs"][0]),
        lambda manifest: manifest["logs"][0].update(first_position=FIRST_POSITION + 1),
        lambda manifest: manifest["logs"][0].update(first_position=-1),
        lambda manifest: manifest["logs"][0].update(vkey=WITNESS.verifier.text),
        lambda manifest: manifest.update(known_at=True),
        lambda manifest: manifest.update(question=[]),
    ],
)
def test_a_manifest_that_cannot_be_is_refused(change: Callable[[Any], object]) -> None:
    assert not both_accept(changed_json("bundle.json", change))


@pytest.mark.parametrize(
    "change",
    [
        lambda events: events[:-1],
        lambda events: events + b"\n",
        lambda events: b"\n".join(reversed(events[:-1].split(b"\n"))) + b"\n",
        lambda events: events + events.split(b"\n")[0] + b"\n",
        lambda events: events.partition(b"\n")[2],
        lambda events: events.replace(b'{"v":', b'{ "v":', 1),
        lambda events: events.replace(b'"v":"trace-opening/1"', b'"v":"trace-opening/1","v":"trace-opening/1"', 1),
        lambda events: events.replace(b"trace-opening", b"trace\\u002dopening", 1),
    ],
)
def test_lines_that_are_not_those_of_the_proof_are_refused(change: Callable[[bytes], bytes]) -> None:
    assert not both_accept(changed("events.ndjson", change))


def test_a_proof_of_another_size_is_refused() -> None:
    def larger(data: bytes) -> bytes:
        return replace(MultiProof.parse(data), size=SIZE + 1).encode()

    assert not both_accept(changed("1.proof", larger))


def test_events_in_two_logs_of_a_ledger_are_proven_together() -> None:
    second_key = SigningKey("dairy.example/log/2", bytes(32))
    second = share_of(LOG, [2, 4])
    note = second_key.sign(replace(second.checkpoint, origin=second_key.name).text()).encode()
    after = FIRST_POSITION + SIZE
    second = replace(second, note=note, log=BundledLog(second_key.verifier, after))
    first = share_of(LOG, INDICES)
    events = [LOG.records[i] for i in (*INDICES, 2, 4)]
    events[-2:] = [replace(event, position=after + i) for event, i in zip(events[-2:], (2, 4), strict=True)]
    answer = answer_over(events, after + 4)
    for told, leaf in zip(answer["events"][-2:], (2, 4), strict=True):
        told["leaf_index"] = leaf
    manifest = Manifest(Kind.ITEM, "public", {}, after + 4, (first.log, second.log))
    out = BytesIO()
    openings = [opening_of(event, frozenset()) for event in events]
    write_bundle(out, manifest, json.dumps(answer).encode(), policy=Policy(), shares=[first, second], openings=openings)
    verified = verify_bundle(out.getvalue(), Trust((KEY.verifier, second_key.verifier)))
    assert [len(log.indices) for log in verified.logs] == [len(INDICES), 2]
    assert independent(out.getvalue(), [VKEY, second_key.verifier.text])["positions"][-2:] == [after + 2, after + 4]
    with pytest.raises(VerificationError, match="trust no key"):
        verify_bundle(out.getvalue(), TRUST)


def test_a_bundle_that_does_not_verify_is_not_handed_out() -> None:
    damaged = replace(share_of(LOG, [1, 2]), read=lambda tile: bytes(32 * tile.width))
    manifest = Manifest(Kind.ITEM, "public", {}, 400, (damaged.log,))
    openings = [opening_of(LOG.records[i], frozenset()) for i in (1, 2)]
    with pytest.raises(DamagedLogError, match="cannot be proven"):
        write_bundle(BytesIO(), manifest, b"{}", policy=Policy(), shares=[damaged], openings=openings)
    with pytest.raises(DamagedLogError, match="not those of its leaves"):
        write_bundle(BytesIO(), manifest, b"{}", policy=Policy(), shares=[share_of(LOG, [1])], openings=openings)


def cosigned(note: bytes, seconds: int) -> tuple[bytes, VerifierKey]:
    text = note.decode().partition("\n\n")[0] + "\n"
    line = WITNESS.sign(f"cosignature/v1\ntime {seconds}\n{text}").splitlines()[-1].split(" ")[2]
    key = VerifierKey(WITNESS.name, Algorithm.COSIGNATURE, WITNESS.verifier.public_key)
    payload = seconds.to_bytes(8, "big") + b64decode(line)[4:]
    return note + Signature(key.name, key.key_id, payload).line().encode(), key


def test_a_policy_tells_which_witnesses_signed_and_refuses_too_few() -> None:
    _, key = cosigned(files_of(BUNDLE)["1.checkpoint"], 1)
    policy = Policy((PolicyLog(KEY.verifier),), (PolicyWitness("w", key),), (), "w")
    with pytest.raises(VerificationError, match="lacks cosignatures"):
        verify(BUNDLE, Trust(policy=policy))
    witnessed = changed("1.checkpoint", lambda note: cosigned(note, 1_772_352_900)[0])
    lines = verify(witnessed, Trust(policy=policy)).lines()
    assert "proven: witness w.example signed this checkpoint, as it says at 1772352900 s since 1970 (UTC)" in lines
    assert "proven: as many witnesses signed as your policy asks for" in lines
    assert not any("everybody is shown" in line for line in lines)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "traceability.notary.verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_verifies_bundles(tmp_path: Path) -> None:
    file, policy = tmp_path / "trace.zip", tmp_path / "policy"
    file.write_bytes(BUNDLE)
    policy.write_bytes(Policy((PolicyLog(KEY.verifier),)).encode())
    good = run(str(file), "--key", VKEY)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.splitlines() == verify(BUNDLE, TRUST).lines()
    assert run(str(file), "--policy", str(policy)).stdout == good.stdout
    other = run(str(file), "--key", SigningKey(KEY.name, bytes(32)).verifier.text)
    assert (other.returncode, other.stdout) == (1, "")
    assert "trust no key" in other.stderr
    assert run(str(file)).returncode == 2
    assert run(str(file), "--policy", str(tmp_path / "absent")).returncode == 2


def test_the_readme_shows_the_command_with_the_key() -> None:
    text = files_of(BUNDLE)["README.txt"].decode()
    assert len(text.splitlines()) < 16
    assert f"python -m traceability.notary.verify FILE.zip --key '{VKEY}'" in text
