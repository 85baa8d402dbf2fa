"""`traceability log monitor` over real HTTP: logs that grow, fork, shrink, lie and go away, ours and a foreign one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tlog_scales.signing import PlainEd25519Signer
from tlog_scales.writer import TilesWriter

from api.notary import integrate_all
from api.wiring import Engine
from tests.api.test_cli import Run, run
from tests.api.test_logs_http import observation, record
from tests.support.logs import KEY, StoppedClock
from tests.support.watching import GrowingLog, Served, serving_folder
from traceability.ledger.commitment import leaf_hash
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.frontier import Frontier
from traceability.notary.note import Algorithm, Signature, SigningKey, VerifierKey
from traceability.notary.tiles import Tile, encode_bundle

__all__ = ["run"]  # fixtures

VKEY = KEY.verifier.text


@pytest.fixture
def log(tmp_path: Path) -> GrowingLog:
    return GrowingLog(tmp_path / "log")


@pytest.fixture
def served(log: GrowingLog) -> Iterator[Served]:
    with serving_folder(log.folder) as served:
        yield served


def once(served: Served, *more: str) -> tuple[str, ...]:
    return ("log", "monitor", served.url, "--key", VKEY, "--once", "--state", "state", *more)


def fork(folder: Path, target: Path, size: int, kept: int) -> Path:
    """Write the files of a log that has only the first `kept` entries of the one in `folder`, and `size` in all."""
    checkpoint = open_checkpoint((folder / "checkpoint").read_bytes(), KEY.verifier)[0]
    entries = []
    for index in range(-(-checkpoint.size // 256)):
        tile = Tile(-1, index, min(256, checkpoint.size - index * 256))
        bundle = (folder / tile.path).read_bytes()
        entries += [bundle[at + 2 : at + 59] for at in range(0, len(bundle), 59)]
    entries = entries[:kept] + [sha256(b"%d" % i).digest() for i in range(kept, size)]
    frontier, files = Frontier().extended(entries, [leaf_hash(entry) for entry in entries])
    files["checkpoint"] = KEY.sign(Checkpoint(KEY.name, size, frontier.root()).text()).encode()
    for path, content in files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(content)
    return target


def test_a_log_that_grows_is_good(run: Run, log: GrowingLog, served: Served) -> None:
    log.grow(0)
    assert run(*once(served)).out.startswith(f"first\t{KEY.name}\t0\t")
    for size, news in ((5, "grew"), (255, "grew"), (256, "grew"), (700, "grew"), (700, "same")):
        log.grow(size)
        ran = run(*once(served, "--json", "--entries"))
        assert ran.code == 0, ran.err
        assert (ran.json["size"], ran.json["news"], ran.json["entries"]) == (size, news, size)
    assert run(*once(served)).out.startswith("same\t")


def test_our_server_is_watched_as_it_grows(run: Run, client: httpx.Client, engine: Engine) -> None:
    record(engine, *map(observation, range(3)))
    integrate_all(engine)
    vkey = client.get("/logs").json()[0]["vkey"]
    command = ("log", "monitor", f"{client.base_url}/logs/main", "--key", vkey, "--once", "--json", "--entries")

    def look() -> dict[str, object]:
        ran = run(*command)
        assert ran.code == 0, ran.err
        found: dict[str, object] = json.loads(ran.out.splitlines()[-1])  # above are the lines of the server's log
        return found

    assert look()["size"] == 3
    record(engine, *map(observation, range(3, 300)))
    integrate_all(engine)
    found = look()
    assert (found["size"], found["news"], found["entries"]) == (300, "grew", 300)
    # Without --state the folder is in the data folder, named after the key.
    name = sha256(vkey.encode()).hexdigest()[:16]
    assert (Path(".traceability/monitor") / name / "state.json").is_file()


@pytest.mark.parametrize(("size", "kept"), [(40, 29), (300, 0), (30, 29), (300, 29)])
def test_a_fork_is_kept_printed_and_never_forgotten(
    run: Run, log: GrowingLog, served: Served, tmp_path: Path, *, size: int, kept: int
) -> None:
    log.grow(30)
    assert run(*once(served)).code == 0
    honest = (log.folder / "checkpoint").read_bytes()
    served.folder = fork(log.folder, tmp_path / "fork", size, kept)
    forked = (served.folder / "checkpoint").read_bytes()
    for ran in (run(*once(served)), run(*once(served))):
        assert (ran.code, ran.out) == (1, f"{honest.decode()}\n{forked.decode()}\n")
    assert "Kept in state/evidence/" in ran.err
    (folder,) = (tmp_path / "state/evidence").iterdir()
    assert (folder / "seen.checkpoint").read_bytes() == honest
    assert (folder / "shown.checkpoint").read_bytes() == forked
    # Good answers later do not undo it.
    served.folder = log.folder
    log.grow(50)
    asked = len(served.asked)
    again = run(*once(served, "--json"))
    assert (again.code, again.json["inconsistent"]["shown"]) == (1, forked.decode())
    assert len(served.asked) == asked
    assert run("log", "monitor", served.url, "--key", VKEY, "--state", "state", "--every", "1").code == 1


def test_a_smaller_fork_is_found_by_the_tiles_that_are_still_there(
    run: Run, log: GrowingLog, served: Served, tmp_path: Path
) -> None:
    log.grow(30)
    assert run(*once(served)).code == 0
    forked = fork(log.folder, tmp_path / "fork", 20, 10)
    shutil.copy(forked / "checkpoint", log.folder / "checkpoint")
    ran = run(*once(served, "--json"))
    assert (ran.code, "\n20\n" in ran.json["inconsistent"]["shown"]) == (1, True)


@pytest.mark.parametrize("keeps_its_tiles", [True, False])
def test_a_log_that_shrinks_is_wrong_until_it_is_as_long_again(
    run: Run, log: GrowingLog, served: Served, tmp_path: Path, *, keeps_its_tiles: bool
) -> None:
    log.grow(20)
    shutil.copytree(log.folder, tmp_path / "old")
    log.grow(30)
    assert run(*once(served)).code == 0
    if keeps_its_tiles:
        shutil.copytree(log.folder / "tile", tmp_path / "old/tile", dirs_exist_ok=True)
    served.folder = tmp_path / "old"
    ran = run(*once(served, "--json"))
    assert (ran.code, ran.json["error"]["code"]) == (1, "log.shrunk")
    served.folder = log.folder
    log.grow(40)
    assert run(*once(served, "--json")).json["news"] == "grew"


def test_wrong_tiles_are_told_from_a_fork(run: Run, log: GrowingLog, served: Served, tmp_path: Path) -> None:
    log.grow(30)
    assert run(*once(served)).code == 0
    log.grow(300)

    def other_bytes(path: str) -> bytes:
        content = (log.folder / path).read_bytes()
        return content if path == "checkpoint" else bytes(len(content))

    def missing(path: str) -> bytes:
        return (log.folder / (path if path == "checkpoint" else "nothing")).read_bytes()

    def short(path: str) -> bytes:
        return (log.folder / path).read_bytes()[: 10_000 if path == "checkpoint" else 31]

    for answer in (other_bytes, missing, short):
        served.answer = answer
        ran = run(*once(served, "--json"))
        assert (ran.code, ran.json["error"]["code"]) == (1, "log.damaged"), answer
    served.answer = lambda path: bytes(20_000_000) if "tile" in path else (log.folder / path).read_bytes()
    ran = run(*once(served, "--json"))
    assert (ran.code, ran.json["error"]["code"]) == (1, "log.too_large")
    assert not (tmp_path / "state/evidence").exists()
    served.answer = None
    assert run(*once(served, "--json")).json["news"] == "grew"


@pytest.mark.parametrize("size", [20, 40])
def test_a_fork_beside_wrong_tiles_is_not_forgotten(
    run: Run, log: GrowingLog, served: Served, tmp_path: Path, size: int
) -> None:
    log.grow(30)
    assert run(*once(served)).code == 0
    forked = (fork(log.folder, tmp_path / "fork", size, 10) / "checkpoint").read_bytes()
    served.answer = lambda path: forked if path == "checkpoint" else (log.folder / "nothing").read_bytes()
    assert run(*once(served)).code == 1
    served.answer = None
    log.grow(50)
    ran = run(*once(served, "--json"))
    assert (ran.code, ran.json["inconsistent"]["shown"]) == (1, forked.decode())


def test_an_entry_that_is_not_its_leaf_is_found_only_when_entries_are_read(
    run: Run, log: GrowingLog, served: Served
) -> None:
    log.grow(10)
    bundle = log.folder / "tile/entries/000.p/10"
    good = bundle.read_bytes()
    bundle.write_bytes(encode_bundle([b"other", *[good[at + 2 : at + 59] for at in range(59, len(good), 59)]]))
    assert run(*once(served)).code == 0
    ran = run(*once(served, "--entries", "--json"))
    assert (ran.code, ran.json["error"]["message"]) == (1, "entry 0 is not the one of its leaf")
    bundle.write_bytes(good)
    assert run(*once(served, "--entries", "--json")).json["entries"] == 10


def test_what_was_read_before_an_interruption_is_not_read_again(run: Run, log: GrowingLog, served: Served) -> None:
    log.grow(17_000)

    def breaks(path: str) -> bytes | None:
        return None if path == "tile/entries/065" else (log.folder / path).read_bytes()

    served.answer = breaks
    ran = run(*once(served, "--entries", "--json"))
    assert (ran.code, ran.json["error"]["code"]) == (3, "log.unreachable")
    served.answer = None
    served.asked.clear()
    assert run(*once(served, "--entries", "--json")).json["entries"] == 17_000
    bundles = sorted(path for path in served.asked if path.startswith("tile/entries"))
    assert bundles == ["tile/entries/064", "tile/entries/065", "tile/entries/066.p/104"]


def test_what_cannot_be_reached_is_3_and_changes_nothing(run: Run, log: GrowingLog, served: Served) -> None:
    ran = run(*once(served, "--json"))
    assert (ran.code, ran.json["error"]["code"]) == (3, "log.unreachable")
    log.grow(3)
    served.answer = lambda _: None
    assert run(*once(served)).code == 3
    served.answer = None
    assert run(*once(served, "--json")).json["news"] == "first"
    gone = run("log", "monitor", "http://127.0.0.1:9/", "--key", VKEY, "--once")
    assert gone.code == 3


def test_another_key_or_folder_or_command_is_refused(run: Run, log: GrowingLog, served: Served) -> None:
    log.grow(3)
    assert run(*once(served)).code == 0
    other = SigningKey("other.example", bytes(32)).verifier.text
    ran = run("log", "monitor", served.url, "--key", other, "--once", "--state", "state", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "monitor.state")
    ran = run("log", "monitor", served.url, "--key", other, "--once", "--state", "other", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "log.unverified_note")
    for arguments in (("ftp://x", "--key", VKEY), ("nonsense", "--key", VKEY), (served.url, "--key", "x")):
        assert run("log", "monitor", *arguments, "--once").code == 2
    Path("state/state.json").write_bytes(b"{}")
    ran = run(*once(served, "--json"))
    assert (ran.code, ran.json["error"]["code"]) == (1, "monitor.state")


WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(32))
WITNESS_KEY = VerifierKey("witness.example", Algorithm.COSIGNATURE, WITNESS.public_key().public_bytes_raw())


def cosigned(note: bytes, seconds: int) -> bytes:
    """Return a checkpoint with one more line: a cosignature/v1, made by hand."""
    text = note.partition(b"\n\n")[0] + b"\n"
    payload = seconds.to_bytes(8, "big") + WITNESS.sign(b"cosignature/v1\ntime %d\n" % seconds + text)
    return note + Signature(WITNESS_KEY.name, WITNESS_KEY.key_id, payload).line().encode()


def test_a_log_that_shows_nothing_new_is_stale_unless_witnesses_sign_anew(
    run: Run, log: GrowingLog, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.grow(3)
    assert run(*once(served, "--fresh", "10")).code == 0
    now = StoppedClock().now_us() // 1_000_000
    state = json.loads(Path("state/state.json").read_bytes())
    Path("state/state.json").write_text(json.dumps({**state, "changed_at": (now - 60) * 1_000_000}))
    monkeypatch.setattr("api.cli.monitor.SystemClock", StoppedClock)
    ran = run(*once(served, "--fresh", "59", "--json"))
    assert (ran.code, ran.json["error"]["code"]) == (1, "log.stale")
    assert run(*once(served, "--fresh", "60", "--json")).json["age_seconds"] == 60

    checkpoint = log.folder / "checkpoint"
    checkpoint.write_bytes(cosigned(checkpoint.read_bytes(), now - 5))
    assert run(*once(served, "--fresh", "59")).code == 1
    assert run(*once(served, "--fresh", "59", "--witness", WITNESS_KEY.text, "--json")).json["age_seconds"] == 5


def test_what_a_witness_has_cosigned_is_compared(run: Run, log: GrowingLog, tmp_path: Path, served: Served) -> None:
    log.grow(20)
    shown = tmp_path / "witness" / sha256(KEY.name.encode()).hexdigest() / "checkpoint"
    shown.parent.mkdir(parents=True)
    shutil.copy(log.folder / "checkpoint", shown)
    with serving_folder(tmp_path / "witness") as witness:
        command = once(served, "--witness-url", witness.url, "--json")
        assert run(*command).code == 0
        # The witness was shown a longer tree, of another history: nobody can tell before the log is as long.
        shutil.copy(fork(log.folder, tmp_path / "fork", 25, 18) / "checkpoint", shown)
        assert run(*command).json["news"] == "same"
        forked = shown.read_text(encoding="utf-8")
        shutil.copy(log.folder / "checkpoint", shown)
        log.grow(30)
        ran = run(*command)
        assert (ran.code, ran.json["inconsistent"]["shown"]) == (1, forked)


@pytest.fixture
def watching(run: Run, log: GrowingLog, served: Served) -> Iterator[subprocess.Popen[str]]:
    """Start a monitor as a process of its own that looks all the time."""
    assert run is not None
    log.grow(1)
    command = ["log", "monitor", served.url, "--key", VKEY, "--state", "state", "--every", "0.02", "--json"]
    program = [sys.executable, "-c", "from api.cli import main; main()", *command]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment) as process:
        yield process
        process.kill()


def line_with(process: subprocess.Popen[str], member: str, value: object) -> dict[str, object]:
    assert process.stdout is not None
    for line in process.stdout:
        members: dict[str, object] = json.loads(line)
        if members.get(member) == value or (value is ... and member in members):
            return members
    pytest.fail("the monitor has ended")


def test_a_monitor_that_is_killed_has_remembered_what_it_told(
    watching: subprocess.Popen[str], log: GrowingLog, served: Served, run: Run, tmp_path: Path
) -> None:
    line_with(watching, "size", 1)
    busy = run(*once(served, "--json"))
    assert (busy.code, busy.json["error"]["code"]) == (3, "monitor.busy")
    log.grow(30)
    assert line_with(watching, "size", 30)["news"] == "grew"
    watching.kill()
    watching.wait()
    served.folder = fork(log.folder, tmp_path / "fork", 40, 29)
    assert run(*once(served)).code == 1


def test_a_monitor_goes_on_after_failures_and_ends_at_a_fork(
    watching: subprocess.Popen[str], log: GrowingLog, served: Served, tmp_path: Path
) -> None:
    line_with(watching, "size", 1)
    served.answer = lambda _: None
    assert line_with(watching, "problem", ...)["problem"]
    served.answer = None
    log.grow(30)
    line_with(watching, "size", 30)
    served.folder = fork(log.folder, tmp_path / "fork", 40, 29)
    assert line_with(watching, "inconsistent", ...)["inconsistent"]
    assert watching.wait() == 1


def test_a_foreign_log_is_watched(run: Run, tmp_path: Path) -> None:
    signer = PlainEd25519Signer("foreign.example/log", bytes(range(32)))
    writer = TilesWriter.create(tmp_path / "foreign", signer.vkey.name)
    vkey = VerifierKey(signer.vkey.name, Algorithm.ED25519, signer.vkey.pubkey).text
    with serving_folder(tmp_path / "foreign") as served:
        command = ("log", "monitor", served.url, "--key", vkey, "--once", "--state", "state", "--entries", "--json")
        for size in (1, 200, 256, 700, 66_000):
            for number in range(writer.size, size):
                writer.add_leaf(b"entry %d" % number)
            writer.commit([signer])
            ran = run(*command)
            assert ran.code == 0, ran.err
            assert (ran.json["size"], ran.json["entries"]) == (size, size)
        forked = TilesWriter.create(tmp_path / "forked", signer.vkey.name)
        for number in range(66_001):
            forked.add_leaf(b"entry %d" % (number + (number == 65_999)))
        forked.commit([signer])
        served.folder = tmp_path / "forked"
        ran = run(*command)
        assert (ran.code, "inconsistent" in ran.json) == (1, True)
