"""The witness server answers the exchanges that torchwood's witness was tested with, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import httpx
import pytest

from adapters.system import SystemEntropy
from adapters.witness import cosigning_key
from api.settings import Settings
from api.witness import KnownLogs, add_log, create_witness, create_witness_app, witness_folder
from tests.api.conftest import serving
from tests.support.logs import KEY, fixture, fixture_bytes
from tests.support.witnesses import Branch
from traceability.errors import UnavailableError
from traceability.notary.log_list import ListedLog, encode_log_list, read_log_list
from traceability.notary.note import Algorithm, VerifierKey, open_note
from traceability.notary.witness import origin_hash

NAME = "example.com/witness"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(data=tmp_path)
    cosigning_key(witness_folder(settings) / "key", NAME, SystemEntropy())
    return settings


@pytest.fixture
def client(settings: Settings) -> Iterator[httpx.Client]:
    with serving(create_witness_app(create_witness(settings))) as client:
        yield client


def test_the_exchanges_of_torchwood(settings: Settings, tmp_path: Path) -> None:
    data = fixture("witness-protocol/torchwood-add-checkpoint.json")
    logs = [
        ListedLog(
            VerifierKey.parse(log["vkey"])
            if "vkey" in log
            else VerifierKey(origin, Algorithm.ED25519, bytes.fromhex(log["ed25519_public_key_hex"])),
            origin,
        )
        for origin, log in data["logs"].items()
    ]
    exchanges = data["exchanges"]
    assert len(exchanges) == 10
    for source, group in groupby(exchanges, key=lambda exchange: str(exchange["source"])):
        fresh = settings.model_copy(update={"data": tmp_path / Path(source).stem})
        cosigning_key(witness_folder(fresh) / "key", NAME, SystemEntropy())
        for log in logs:
            assert add_log(fresh, log)
        with serving(create_witness_app(create_witness(fresh))) as client:
            for exchange in group:
                answer = client.post("/add-checkpoint", content=exchange["request_body"].encode())
                (wanted,) = exchange["asserts"]
                # The standard has since given the unknown log a status of its own.
                status = 404 if "unknown log" in wanted else exchange["want_status"]
                assert answer.status_code == status, exchange
                if wanted.startswith("body contains "):
                    assert wanted.removeprefix("body contains ").strip('"') in answer.text
                else:
                    assert wanted == f'body == "{answer.text.strip()}\\n"'
                if status == 409:
                    assert answer.headers["Content-Type"] == "text/x.tlog.size"


def test_a_monitor_reads_what_was_cosigned(client: httpx.Client, settings: Settings) -> None:
    branch, path = Branch(20), f"/{origin_hash(KEY.name)}/checkpoint"
    assert client.post("/add-checkpoint", content=branch.request(0, 5)).status_code == 404
    # A log that is added is taken up by the server that runs.
    assert add_log(settings, ListedLog(KEY.verifier, KEY.name))
    assert not add_log(settings, ListedLog(KEY.verifier, KEY.name))
    assert client.get(path).status_code == 404
    line = client.post("/add-checkpoint", content=branch.request(0, 5)).content
    served = client.get(path)
    assert served.content == branch.note(5) + line
    assert served.headers["Access-Control-Allow-Origin"] == "*"
    witness = cosigning_key(witness_folder(settings) / "key", None, SystemEntropy()).verifier
    assert [key for key, _ in open_note(served.content, [witness]).verified] == [witness]
    assert client.get("/add-checkpoint").status_code == 405
    assert client.get(path.upper()).status_code == 404


def test_a_request_that_is_too_long_is_not_read(client: httpx.Client) -> None:
    assert client.post("/add-checkpoint", content=b"x" * 200_000).status_code == 413


def test_a_witness_that_cannot_remember_says_so_and_cosigns_nothing(client: httpx.Client, settings: Settings) -> None:
    add_log(settings, ListedLog(KEY.verifier, KEY.name))
    branch = Branch(20)
    assert client.post("/add-checkpoint", content=branch.request(0, 5)).status_code == 200
    (witness_folder(settings) / "logs" / origin_hash(KEY.name) / "checkpoint").write_bytes(b"damaged")
    failed = client.post("/add-checkpoint", content=branch.request(5, 6))
    assert (failed.status_code, failed.text) == (503, "witness.memory\n")


def test_a_list_of_the_witness_network() -> None:
    data = fixture_bytes("witness-network/testing-log-list.1")
    logs = read_log_list(data)
    assert len(logs) == 9
    assert logs[0].origin == "arche2025h1.staging.ct.transparency.dev"
    assert (logs[6].qpd, logs[6].contact) == (288, "admin@gopherwatch.org")
    assert read_log_list(encode_log_list(logs)) == logs


def test_an_origin_that_is_not_the_name_of_the_key() -> None:
    log = ListedLog(KEY.verifier, "go.sum database tree", 24, "sysadmin (at) bar.org")
    assert read_log_list(encode_log_list([log])) == [log]
    policy = f"log {KEY.verifier.text}\nquorum none\n".encode()
    assert read_log_list(policy) == [ListedLog(KEY.verifier, KEY.name)]


@pytest.mark.parametrize(
    "lines",
    [
        ["qpd 1"],
        [f"vkey {KEY.verifier.text}"],
        [f"vkey {KEY.verifier.text}", "qpd 0", "contact x"],
        [f"vkey {KEY.verifier.text}", "qpd 2147483648", "contact x"],
        [f"vkey {KEY.verifier.text}", "qpd 1", "contact"],
        [f"vkey {KEY.verifier.text}", "contact x", "qpd 1"],
        [f"vkey {KEY.verifier.text}", "origin", "qpd 1", "contact x"],
        [f"vkey {KEY.verifier.text}", "qpd 1", "contact x", "vkey"],
    ],
)
def test_what_is_no_list_of_logs(tmp_path: Path, lines: list[str]) -> None:
    file = tmp_path / "list"
    file.write_text("\n".join(["logs/v0", "", *lines]))
    with pytest.raises(UnavailableError) as caught:
        KnownLogs([file])()
    assert caught.value.code == "witness.logs"


def test_a_list_that_became_unreadable_does_not_make_a_witness_forget(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_bytes(encode_log_list([ListedLog(KEY.verifier, KEY.name)]))
    logs = KnownLogs([file])
    assert KEY.name in logs()
    file.write_text("logs/v0\nnonsense\n")
    assert KEY.name in logs()
