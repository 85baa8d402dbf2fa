"""`traceability audit …` on the demo's stories: what is exported is enough to give every answer again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.exports.files import read_file, write_file
from adapters.exports.provenance import ExportedEvents
from adapters.system import SystemEntropy
from api.audit import ItemQuestion, TraceQuestion, difference, read_answer, reader_named
from api.audit import recompute as recompute_from
from api.codes import read_code
from api.demo.story import manifest
from api.provenance import describe_item
from api.settings import Settings
from api.trace_models import Include, TraceIn
from api.traces import trace_json
from api.wiring import INDEXER, Engine, open_engine
from tests.api.test_cli import Ran, Run, run
from tests.conftest import Database
from tests.support.epcis_events import document, event
from tests.support.stories import PACK, PALLET
from traceability.errors import NotFoundError
from traceability.ledger.access import PUBLIC, Reader
from traceability.notary.export import AuditExport
from traceability.notary.note import VerifierKey

__all__ = ["run"]  # a fixture

WORDS = "correct horse battery staple"


@pytest.fixture
def stories(run: Run, tmp_path: Path) -> Run:
    """Give `run` on a ledger with the demo's stories, published, and a file with a passphrase."""
    story = manifest()
    assert run("organisation", "add", "dairy.example").code == 0
    for who in story.organisations:
        glns = [word for gln in who.glns for word in ("--gln", gln)]
        assert run("organisation", "add", who.name, *glns).code == 0
        feed = tmp_path / f"{who.name}.json"
        feed.write_bytes(who.read_document())
        assert run("feed", "import", str(feed), "--as", who.name).code == 0
        profile = who.grant()
        parts = ["--parts", ",".join(sorted(profile.parts))]
        steps = [word for step in sorted(profile.steps or ()) for word in ("--step", step)]
        assert run("organisation", "profile", "--as", who.name, *parts, *steps).code == 0
    assert run("log", "integrate").code == 0
    (tmp_path / "words").write_text(f"{WORDS}\nnot this\n", encoding="utf-8")
    return run


@pytest.fixture
def exported(stories: Run, tmp_path: Path) -> Run:
    """Give `run` in a folder with the export `all.age` of the stories."""
    assert stories("audit", "export", "slow.age", "--passphrase-file", "words").code == 0
    # Opening a file takes a second on purpose, and these tests open it often.
    with read_file(tmp_path / "slow.age", WORDS) as plain:
        write_file(tmp_path / "all.age", plain, WORDS, SystemEntropy(), work=2)
    return stories


def recompute(run: Run, question: object, *more: str, file: str = "all.age") -> Ran:
    key = run("log", "key").out.strip()
    asked = ["--question", json.dumps(question), "--passphrase-file", "words"]
    return run("audit", "recompute", file, "--key", key, *asked, *more)


def uri(path: str) -> str:
    return f"https://id.gs1.org{path}"


def test_the_export_says_what_it_is_and_keeps_others_out(stories: Run, tmp_path: Path) -> None:
    said = stories("audit", "export", "all.age", "--passphrase-file", "words", "--json")
    head = stories("log", "checkpoint", "--json").json
    file = tmp_path / "all.age"
    assert said.json == {
        "file": "all.age",
        "bytes": file.stat().st_size,
        "logs": [{name: head[name] for name in ("origin", "size", "root")}],
    }
    assert file.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in tmp_path.glob("all*")) == ["all.age"]
    again = stories("audit", "export", "all.age", "--passphrase-file", "words")
    assert (again.code, "audit.exists" in again.err) == (1, True)
    (tmp_path / "short").write_text("secret\n", encoding="utf-8")
    assert "audit.passphrase" in stories("audit", "export", "b.age", "--passphrase-file", "short").err
    assert stories("audit", "export", "b.age").code == 2
    assert stories("audit", "export", "b.age", "--passphrase-file", "absent").code == 2
    assert stories("audit", "export", "no/b.age", "--passphrase-file", "words").code == 4
    assert stories("audit", "export", "b.age", "--passphrase-file", "words", "--until", "3").code == 4
    assert stories("audit", "export", "b.age", "--passphrase-file", "words", "--log", "other").code == 4
    assert list(tmp_path.glob("b.age*")) == []


def test_a_log_that_was_never_integrated_is_not_exported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "words").write_text(WORDS, encoding="utf-8")
    done = run("audit", "export", "all.age", "--passphrase-file", "words")
    assert (done.code, "log.unknown" in done.err) == (4, True)


@pytest.mark.usefixtures("exported")
def test_every_answer_about_the_stories_is_recomputed(database: Database, tmp_path: Path) -> None:
    settings = Settings(
        database_url=SecretStr(database.runtime_url),
        database_owner_url=SecretStr(database.owner_url),
        data=tmp_path / ".traceability",
        organisation="dairy.example",
    )
    links = [link.path for story in manifest().stories for link in story.links]
    compared = 0
    with open_engine(settings) as engine, read_file(tmp_path / "all.age", WORDS) as plain:
        export = AuditExport(plain)
        events = ExportedEvents(export, [VerifierKey.parse(export.header.vkey)], INDEXER)
        for organisation in (None, PUBLIC, *(who.name for who in manifest().organisations)):
            reader = reader_named(export.header, organisation)
            if organisation is not None:
                assert reader == engine.organisations.reader(organisation)
            for question in [
                asked
                for path in links
                for asked in (
                    ItemQuestion(item=uri(path)),
                    ItemQuestion(item=uri(path), known_at=30, limit=2),
                    TraceQuestion(trace=TraceIn(roots=[uri(path)])),
                    TraceQuestion(trace=TraceIn(roots=[uri(path)], include=frozenset({Include.EVENTS}), max_depth=2)),
                )
            ]:
                answer = _answer(engine, reader, question)
                if isinstance(answer, NotFoundError):
                    with pytest.raises(NotFoundError) as refused:
                        recompute_from(events, question, reader, None)
                    assert refused.value.code == answer.code
                    continue
                given = read_answer(answer)
                assert difference(given, read_answer(recompute_from(events, question, reader, given))) is None
                compared += 1
    assert compared > 100


def _answer(engine: Engine, reader: Reader, question: ItemQuestion | TraceQuestion) -> bytes | NotFoundError:
    try:
        if isinstance(question, TraceQuestion):
            return trace_json(engine, reader, question.trace)
        thing = read_code(question.item)
        told = describe_item(engine, reader, thing, known_at=question.known_at, limit=question.limit)
        return told.model_dump_json().encode()
    except NotFoundError as error:
        return error


def changed(answer: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    history = answer["history"]
    return [
        ("/history_count", {**answer, "history_count": answer["history_count"] + 1}),
        ("/history/1/", {**answer, "history": [history[0], *history[2:]]}),
        ("/state/place", {**answer, "state": {**answer["state"], "place": "https://id.gs1.org/414/9521234000006"}}),
        ("/log/origin", {**answer, "log": {**answer["log"], "origin": "other.example/log"}}),
        ("/history/0/log", {**answer, "log": {**answer["log"], "size": 0}}),
        ("/more", {**answer, "more": None}),
        ("/containers", {name: value for name, value in answer.items() if name != "containers"}),
    ]


def test_an_answer_that_is_not_what_the_events_give_is_named(exported: Run, tmp_path: Path) -> None:
    who = manifest().organisations[0].name
    answer = exported("item", uri(PACK), "--json", "--as", who).json
    for pointer, other in changed(answer):
        (tmp_path / "answer.json").write_text(json.dumps(other), encoding="utf-8")
        done = recompute(exported, {"item": uri(PACK)}, "--answer", "answer.json", "--as", who, "--json")
        assert done.code == 1
        assert done.json["same"] is False
        assert done.json["difference"]["pointer"].startswith(pointer)
    trace = exported("trace", uri(PALLET), "--json", "--as", who).json
    (tmp_path / "answer.json").write_text(json.dumps({**trace, "edges": trace["edges"][::-1]}), encoding="utf-8")
    asked = {"trace": {"roots": [uri(PALLET)]}}
    assert recompute(exported, asked, "--answer", "answer.json", "--as", who).code == 0
    (tmp_path / "answer.json").write_text(json.dumps({**trace, "edges": trace["edges"][1:]}), encoding="utf-8")
    done = recompute(exported, asked, "--answer", "answer.json", "--as", who)
    assert (done.code, "/edges/" in done.err) == (1, True)


def test_an_answer_of_before_is_compared_with_what_was_known_then(exported: Run, tmp_path: Path) -> None:
    who = manifest().organisations[0].name
    answer = exported("item", uri(PACK), "--json", "--as", who, "--known-at", "20")
    (tmp_path / "answer.json").write_text(answer.out, encoding="utf-8")
    assert recompute(exported, {"item": uri(PACK)}, "--answer", "answer.json", "--as", who).code == 0
    beyond = {**answer.json, "known_at": 10_000}
    (tmp_path / "answer.json").write_text(json.dumps(beyond), encoding="utf-8")
    done = recompute(exported, {"item": uri(PACK)}, "--answer", "answer.json", "--as", who)
    assert (done.code, "provenance.known_at" in done.err) == (1, True)


def test_what_cannot_be_read_is_refused(exported: Run, tmp_path: Path) -> None:
    question = {"item": uri(PACK)}
    (tmp_path / "wrong").write_text("another passphrase\n", encoding="utf-8")
    wrong = recompute(exported, question, "--passphrase-file", "wrong")
    assert (wrong.code, "age.passphrase" in wrong.err) == (1, True)
    assert recompute(exported, question, file="absent.age").code == 4
    assert recompute(exported, question, "--as", "nobody.example").code == 4
    assert recompute(exported, question, "--answer", "absent.json").code == 2
    assert "audit.question" in recompute(exported, {"items": 1}).err
    assert recompute(exported, {"item": uri("/01/09521103001011/21/never")}).code == 4
    key = exported("log", "key").out.strip()
    assert exported("audit", "recompute", "all.age", "--key", key[:-1], "--question", "{}").code == 2
    assert exported("audit", "recompute", "all.age", "--key", key, "--question", "absent.json").code == 2
    (tmp_path / "answer.json").write_text("[" * 100_000, encoding="utf-8")
    assert recompute(exported, question, "--answer", "answer.json").code == 1
    data = bytearray((tmp_path / "all.age").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "all.age").write_bytes(data)
    damaged = recompute(exported, question)
    assert (damaged.code, "age.damaged" in damaged.err) == (1, True)


def test_a_ledger_is_restored_under_another_name(exported: Run, tmp_path: Path) -> None:
    key = exported("log", "key").out.strip()
    restore = ["ledger", "restore", "all.age", "--key", key, "--passphrase-file", "words"]
    assert "audit.same_origin" in exported(*restore).err
    assert exported(*restore, "--ledger", "absent").code == 4
    assert exported("ledger", "erase", "3", "--reason", "r", "--authority", "a", "--no-purge").code == 0
    (tmp_path / "erased.json").write_text(exported("ledger", "erasures", "--json").out, encoding="utf-8")
    assert exported("ledger", "add", "again").code == 0
    again = ["--ledger", "again"]
    assert exported(*restore, *again, "--erased", "absent.json").code == 2
    assert exported("ledger", "restore", "all.age", "--key", key[:-1], *again).code == 2
    done = exported(*restore, *again, "--erased", "erased.json", "--json")
    assert done.code == 0
    assert done.json == {"ledger": "again", "events": 127, "erased": [3]}
    repeated = exported(*restore, *again)
    assert (repeated.code, "ledger.not_empty" in repeated.err) == (1, True)
    assert exported("organisation", "add", "dairy.example", *again).code == 0
    assert exported("log", "integrate", *again).code == 0
    assert exported("log", "key", *again).out.startswith("traceability.local/again+")
    checked = exported("log", "fsck", *again, "--json")
    assert (checked.code, checked.json["logs"][0]["database"]["erased"]) == (0, 1)


def test_answers_and_a_ledger_come_from_all_logs_of_a_chain(exported: Run, tmp_path: Path) -> None:
    keys = ["--key", exported("log", "key").out.strip()]
    who, item = manifest().organisations[0].name, {"item": uri(PACK)}
    answers = [exported("item", uri(PACK), "--json", "--as", who).out]
    assert exported("log", "close", "--name", "main-2", "--origin", "dairy.example/2").code == 0
    seen = document(event(epcList=[uri(PACK)], eventTime="2026-09-01T09:15:00+01:00"))
    (tmp_path / "seen.json").write_bytes(seen)
    assert exported("feed", "import", "seen.json", "--as", who).code == 0
    assert exported("log", "integrate").code == 0
    keys += ["--key", exported("log", "key").out.strip()]
    answers.append(exported("item", uri(PACK), "--json", "--as", who).out)
    told = [[entry["log"] for entry in json.loads(answer)["history"]] for answer in answers]
    assert (set(told[0]), sorted(set(told[1]))) == ({"main"}, ["main", "main-2"])
    said = exported("audit", "export", "chain.age", "--passphrase-file", "words", "--json").json
    assert [(log["origin"], log["size"]) for log in said["logs"]] == [
        ("traceability.local/main", 127),
        ("dairy.example/2", 1),
    ]
    assert exported("audit", "export", "two.age", "--log", "main-2", "--passphrase-file", "words").code == 0

    asked = ["--question", json.dumps(item), "--passphrase-file", "words", "--as", who]
    for number, answer in enumerate(answers):
        (tmp_path / f"{number}.json").write_text(answer, encoding="utf-8")
        done = exported("audit", "recompute", "chain.age", *keys, *asked, "--answer", f"{number}.json")
        assert done.code == 0, done.err
    # An export of the first log is as good as before, with that of the second behind it.
    both = exported("audit", "recompute", "all.age", "two.age", *keys, *asked, "--answer", "1.json")
    assert both.code == 0, both.err
    alone = exported("audit", "recompute", "all.age", *keys, *asked, "--answer", "1.json")
    assert (alone.code, "provenance.known_at" in alone.err) == (1, True)
    for files, given, code in (
        (["two.age"], keys, "audit.not_first"),
        (["two.age", "all.age"], keys, "audit.chain"),
        (["chain.age"], keys[:2], "log.unverified_note"),
    ):
        refused = exported("audit", "recompute", *files, *given, *asked)
        assert (refused.code, code in refused.err) == (1, True)

    assert exported("ledger", "add", "again").code == 0
    restored = exported(
        "ledger", "restore", "chain.age", *keys, "--passphrase-file", "words", "--ledger", "again", "--json"
    )
    assert restored.json == {"ledger": "again", "events": 128, "erased": []}
    assert exported("organisation", "add", "dairy.example", "--ledger", "again").code == 0
    assert exported("log", "integrate", "--ledger", "again").code == 0
    assert exported("log", "fsck", "--ledger", "again").code == 0
