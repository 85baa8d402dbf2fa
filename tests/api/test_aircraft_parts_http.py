"""Aircraft parts over HTTP and on the command line, from the first release to the scrap."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.notary import integrate_all
from api.wiring import Engine
from tests.api.test_bundles_http import verified
from tests.api.test_cli import Run, dairy, run
from tests.api.test_provenance_http import record
from tests.support.happenings import MAKER, commission
from tests.support.parts import AIRCRAFT, ENGINE, PUMP, Said, flew, installed, limited, released, removed
from traceability.ledger.organisations import Scope

__all__ = ["dairy", "run"]  # fixtures
Bearer = Callable[..., dict[str, str]]
ADDRESS = f"/aircraft-parts{PUMP.removeprefix('https://id.gs1.org')}"


@pytest.fixture
def maker(engine: Engine, client: httpx.Client, bearer: Bearer) -> httpx.Client:
    engine.organisations.add(MAKER)
    client.headers = httpx.Headers(bearer(MAKER, *Scope))
    return client


def got(client: httpx.Client, path: str, **params: Any) -> Any:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_part_tells_its_life_back_to_birth(engine: Engine, maker: httpx.Client) -> None:
    told: list[Said] = [
        commission(0, PUMP),
        released(1),
        limited(1, cycles=20),
        installed(2, ENGINE, place="left"),
        installed(3, AIRCRAFT, ENGINE),
        flew(9, AIRCRAFT, 3, 8, cycles=6, minutes=540),
        removed(8, ENGINE, reason="fuel leak"),
    ]
    record(engine, *reversed(told))
    part = got(maker, ADDRESS)
    assert (part["stage"], part["serviceable"], part["lacks"]) == ("removed", False, ["not_released"])
    assert (part["cycles"], part["removed_because"], part["irregularities"]) == (6, "fuel leak", [])
    stretches = [(one["where"], one["on"], one["position"], one["gap"]) for one in part["back_to_birth"]]
    assert stretches == [
        ("stored", None, None, None),
        ("installed", ENGINE, "left", None),
        ("stored", None, None, None),
    ]
    for one in part["back_to_birth"]:
        assert one["documents"]
        for document in one["documents"]:
            assert document["receipt"] == f"/provenance/events/{document['event_id']}/receipt"

    before = got(maker, ADDRESS, as_of="2026-03-01T05:00:00Z")
    assert (before["stage"], before["serviceable"], before["position"]) == ("installed", True, "left")
    assert before["release"]["tracking_number"] == "ARC-1"
    # Of what arrived last nobody knew before.
    assert got(maker, ADDRESS, known_at=len(told) - 2)["back_to_birth"][0]["gap"] == "no_birth"

    life = got(maker, f"{ADDRESS}/life")
    assert (life["cycles"], life["minutes"], life["proven"], life["unaccounted"]) == (6, 540, True, [])
    assert [(one["on"], one["cycles"], one["minutes"]) for one in life["installations"]] == [(ENGINE, 6, 540)]
    assert [one["cycles_left"] for one in life["limits"]] == [14]
    assert [(one["thing"], one["straddles"]) for one in life["uses"]] == [(AIRCRAFT, False)]


def test_the_trace_back_to_birth_is_a_bundle(engine: Engine, maker: httpx.Client) -> None:
    record(engine, commission(0, PUMP), released(1), limited(1, cycles=20), installed(2, ENGINE))
    record(engine, installed(2, AIRCRAFT, ENGINE), flew(9, AIRCRAFT, 2, 8, cycles=6), commission(0, AIRCRAFT))
    integrate_all(engine)
    zipped = maker.get(ADDRESS, headers={"Accept": "application/zip"})
    assert zipped.headers["Content-Disposition"] == 'attachment; filename="back-to-birth.zip"'
    bundle = verified(engine, zipped.content)
    assert (bundle.manifest.kind, bundle.manifest.question) == ("part", {"id": PUMP, "as_of": None})
    life = got(maker, f"{ADDRESS}/life")
    assert json.loads(bundle.answer) == {**got(maker, ADDRESS), "life": life}
    # What it flew with is in it, and how it came there; not what else became of the aircraft.
    assert list(bundle.logs[0].positions) == [1, 2, 3, 4, 5, 6]
    shown = dict(zip(bundle.logs[0].positions, bundle.logs[0].openings, strict=True))
    assert b'"cycles":6' in shown[6].shown().more


def test_the_components_of_an_aircraft_are_told_with_what_is_left(engine: Engine, maker: httpx.Client) -> None:
    others = [f"{PUMP.rpartition('/')[0]}/{name}" for name in ("DISK-1", "DISK-2", "GONE", "LOOSE")]
    disk, worn, gone, loose = others
    record(
        engine,
        commission(0, PUMP, ENGINE, *others),
        *(released(1, thing, number=thing[-6:]) for thing in (PUMP, ENGINE, *others)),
        *(installed(2, ENGINE, thing) for thing in (PUMP, disk, worn, gone)),
        installed(3, AIRCRAFT, ENGINE),
        limited(1, disk, cycles=100),
        limited(1, worn, cycles=10),
        flew(7, AIRCRAFT, 2, 6, cycles=10),
        removed(7, ENGINE, gone),
    )
    found = got(maker, f"/aircraft-parts{AIRCRAFT.removeprefix('https://id.gs1.org')}/components")
    told = [(one["id"], one["on"], one["lacks"]) for one in found["components"]]
    # The disks have limits, and engine and pump follow by name.
    assert told == [
        (worn, ENGINE, ["life_expired"]),
        (disk, ENGINE, []),
        (PUMP, ENGINE, []),
        (ENGINE, AIRCRAFT, []),
    ]
    assert found["complete"]
    assert [one["limits"][0]["cycles_left"] for one in found["components"][:2]] == [0, 90]
    before = got(
        maker, f"/aircraft-parts{ENGINE.removeprefix('https://id.gs1.org')}/components", as_of="2026-03-01T06:00:00Z"
    )
    assert {one["id"] for one in before["components"]} == {PUMP, disk, worn, gone}
    assert loose not in repr(found) + repr(before)


def test_a_certificate_is_checked_by_its_digest(engine: Engine, maker: httpx.Client, bearer: Bearer) -> None:
    record(engine, commission(0, PUMP), released(1), released(2, number="ARC-2", document="b"))
    first = got(maker, f"{ADDRESS}/certificates/{64 * 'a'}")
    assert (first["verdict"], first["holds"]) == ("recorded", False)
    (one,) = first["certificates"]
    assert (one["tracking_number"], one["claim"], one["event"]["position"]) == ("ARC-1", None, 2)
    assert got(maker, f"{ADDRESS}/certificates/{64 * 'b'}")["holds"]
    altered = got(maker, f"{ADDRESS}/certificates/{64 * 'c'}", tracking_number="ARC-1")
    assert (altered["verdict"], altered["certificates"]) == ("another_document", [one])
    stranger = bearer("store.example", Scope.QUERY)
    answer = maker.get(f"{ADDRESS}/certificates/{64 * 'a'}", headers=stranger).json()
    assert (answer["verdict"], answer["certificates"]) == ("no_record", [])


def test_what_is_no_serial_or_not_seen_is_told(engine: Engine, maker: httpx.Client, bearer: Bearer) -> None:
    record(engine, commission(0, PUMP))
    lot = maker.get("/aircraft-parts/01/09521301007013/10/A7")
    assert (lot.status_code, lot.json()["code"]) == (422, "part.serial")
    stranger = bearer("store.example", Scope.QUERY)
    assert maker.get(ADDRESS, headers=stranger).status_code == 404
    assert maker.get(f"{ADDRESS}/life", headers=stranger).status_code == 404


def test_commands_of_parts_over_http(maker: httpx.Client) -> None:
    def send(name: str, **body: Any) -> httpx.Response:
        return maker.post(f"/commands/{name}", json=body)

    assert send("commission", things=[PUMP, ENGINE]).status_code == 201
    refused = send("install_part", part=PUMP, on=ENGINE)
    assert [one["rule"] for one in refused.json()["rules"]] == ["not_released"]
    certificate = {
        "form": "EASA Form 1",
        "tracking_number": "1",
        "status": "new",
        "approval": "A",
        "document": "a" * 64,
    }
    done = send("release_part", things=[PUMP], **certificate)
    assert (done.status_code, done.json()["name"]) == (201, None)
    assert send("install_part", part=PUMP, on=ENGINE, position="left").status_code == 201
    part = got(maker, ADDRESS)
    assert (part["serviceable"], part["position"], part["release"]["document"]) == (True, "left", "a" * 64)
    # Of two that go to one place at the same moment one is refused.
    other = f"{PUMP}-B"
    assert send("commission", things=[other]).status_code == 201
    assert send("release_part", things=[other], **certificate).status_code == 201
    assert send("remove_part", part=PUMP, on=ENGINE, reason="worn").status_code == 201
    second = {**certificate, "tracking_number": "2"}
    assert send("release_part", things=[PUMP], **second).status_code == 201
    with ThreadPoolExecutor(2) as pool:
        both = pool.map(lambda one: send("install_part", part=one, on=ENGINE, position="left"), (PUMP, other))
        answers = sorted((answer.status_code, answer.text) for answer in both)
    assert [status for status, _ in answers] == [201, 409]
    assert '"position_taken"' in answers[1][1]
    # The history of the thing tells it too.
    steps = [
        entry["step"] for entry in got(maker, f"/provenance/items{ADDRESS.removeprefix('/aircraft-parts')}")["history"]
    ]
    assert steps[:3] == ["Given its identity", "Released, new: EASA Form 1 1", "Installed"]


def test_a_part_on_the_command_line(dairy: Run, tmp_path: Path) -> None:
    pump, engine = "(01)09521301007013(21)KF-20417", "(8004)9521302ENG-61044"
    assert dairy("command", "commission", "--things", pump, "--things", engine).code == 0
    shown = dairy("part", "show", pump)
    assert shown.code == 1
    assert "serviceable\tno: Not released" in shown.out.splitlines()
    form = tmp_path / "form1.pdf"
    form.write_bytes(b"%PDF as it was issued")
    digest = sha256(form.read_bytes()).hexdigest()
    certificate = ("--form", "EASA Form 1", "--tracking-number", "1", "--status", "new", "--approval", "A")
    assert dairy("command", "release_part", "--things", pump, *certificate, "--document", digest).code == 0
    checked = dairy("part", "certificate", pump, str(form))
    assert (checked.code, checked.out.splitlines()[0]) == (0, "verdict\tRecorded")
    form.write_bytes(b"%PDF altered")
    altered = dairy("part", "certificate", pump, str(form), "--tracking-number", "1", "--json")
    assert (altered.code, altered.json["verdict"]) == (1, "another_document")
    limit = ("--limit", "LLP", "--cycles", "10", "--source", "CMM")
    assert dairy("command", "set_part_limit", "--things", pump, *limit).code == 0
    assert dairy("command", "install_part", "--part", pump, "--on", engine, "--position", "left").code == 0
    assert dairy("part", "show", pump, "--json").json["serviceable"] is True
    lines = dairy("part", "show", pump).out.splitlines()
    assert "installed on\t(8004) 9521302ENG-61044, left" in lines
    parts = dairy("part", "components", engine)
    assert (parts.code, parts.out.splitlines()[-1].split("\t")[1:3]) == (0, ["(8004) 9521302ENG-61044, left", "yes"])
    life = dairy("part", "life", pump)
    assert (life.code, life.out.splitlines()[-1]) == (0, "LLP\t10\t\tCMM")
