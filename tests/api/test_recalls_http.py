"""Recall cases over HTTP: from a sample to a closed case, seen by each only as far as it concerns them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from adapters.exports.tables import XLSX
from api.notary import integrate_all, published_log
from api.recall_scopes import digest_of
from api.wiring import Engine
from tests.api.test_provenance_http import record
from tests.support.happenings import MAKER, PALLET, commission, lot, pack, put, receive, ship
from tests.support.holders import CARRIER, GLNS, OUTSIDE, PARTY, RIVAL, SHOP
from tests.support.sheets import sheet_rows
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.organisations import Scope
from traceability.notary.trust import Trust
from traceability.notary.verify_bundle import verify_bundle
from traceability.supply_chain.recall.events import RecallClosed

Bearer = Callable[..., dict[str, str]]
LOT = lot("A7")
A, B, C, D = (pack(name) for name in "ABCD")
EVERYTHING = frozenset({"what", "where", "why", "how"})
OPEN: dict[str, Any] = {"name": "Listeria", "reason": "sample of 1 March", "classification": "I", "roots": [LOT]}


class Caller:
    """An organisation that has to do with recalls."""

    def __init__(self, client: httpx.Client, headers: dict[str, str]) -> None:
        self._client = client
        self.headers = headers

    def post(self, path: str, *, status: int = 201, key: str | None = None, **body: Any) -> Any:
        headers = self.headers | ({} if key is None else {"Idempotency-Key": key})
        answer = self._client.post(f"/recalls{path}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    def get(self, path: str, *, status: int = 200, **params: Any) -> Any:
        answer = self._client.get(f"/recalls{path}", params=params, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    def trace(self, question: dict[str, Any]) -> bytes:
        answer = self._client.post("/provenance/traces", json=question, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.content

    def listed(self) -> list[str]:
        return [one["case"] for one in self.get("")["recalls"]]


@pytest.fixture
def caller(engine: Engine, client: httpx.Client, bearer: Bearer) -> Callable[[str], Caller]:
    """Tell of four packs of one lot: two went to a shop, one to a carrier's customer who is a stranger here."""
    for gln, name in GLNS.items():
        engine.organisations.add(name, display_name=name.split(".")[0].title(), glns=[gln])
    for name in (SHOP, CARRIER):
        engine.organisations.set_grant(Grant(name, MAKER, None, EVERYTHING))
    record(
        engine,
        commission(1, A, B, C, D, number="A7"),
        put(2, PALLET, A, B),
        ship(3, PALLET, to=PARTY[SHOP], owner=PARTY[SHOP]),
        receive(4, PALLET, by=SHOP),
        ship(5, C, to=OUTSIDE, owner=OUTSIDE),
    )
    return lambda name: Caller(client, bearer(name, *Scope))


def notified(caller: Callable[[str], Caller]) -> tuple[str, str]:
    """Open, scope and notify; return the case and the name of the shop's notice."""
    maker = caller(MAKER)
    case = maker.post("", **OPEN)["case"]
    maker.post(f"/{case}/scope")
    maker.post(f"/{case}/notices")
    (notice,) = maker.get(f"/{case}")["notices"]
    return case, notice["notice"]


def test_a_case_from_a_sample_to_its_end(caller: Callable[[str], Caller]) -> None:
    maker, shop = caller(MAKER), caller(SHOP)
    opened = maker.post("", **OPEN)
    case = opened["case"]
    assert (opened["stage"], opened["recorded"]) == ("opened", 1)
    assert maker.post(f"/{case}/scope")["stage"] == "scoped"
    (scope,) = maker.get(f"/{case}")["scopes"]
    assert (scope["items"], scope["lots"], scope["complete"]) == (4, 1, True)
    holders = {one["holder"]: (one["things"], one["reachable"]) for one in scope["holders"]}
    assert holders == {MAKER: (2, True), SHOP: (2, True), OUTSIDE: (1, False)}
    # Whoever has the same right to see repeats the trace, and gets what was recorded.
    assert digest_of(maker.trace(scope["question"])) == scope["digest"]

    assert shop.get(f"/{case}", status=404)["code"] == "recall.unknown"
    assert maker.post(f"/{case}/notices")["recorded"] == 1
    theirs = shop.get(f"/{case}")
    assert (theirs["whole"], theirs["stage"], theirs["scopes"], theirs["opened_by"]) == (False, "notified", [], MAKER)
    (notice,) = theirs["notices"]
    assert notice["things"] == [A, B]

    told = [{"thing": A, "outcome": "quarantined"}, {"thing": B, "outcome": "destroyed"}]
    assert shop.post(f"/{case}/acknowledgements", notice=notice["notice"], told=told)["stage"] == "acknowledged"
    assert maker.get(f"/{case}")["notices"][0]["outcomes"] == {"quarantined": 1, "destroyed": 1}

    # What nobody acknowledged and nobody said is missing, and named: the stranger's pack, the maker's, the lot itself.
    maker.post(f"/{case}/reconciliation", things=[{"thing": D, "fate": "recovered"}])
    summed = maker.get(f"/{case}")["reconciled"]["said"]
    counts = {name: summed[name] for name in ("recovered", "destroyed", "not_found", "unheld", "missing_count")}
    assert counts["recovered"] == 2
    assert counts["destroyed"] == 1
    assert sum(counts.values()) == scope["items"] + scope["lots"]
    assert C in summed["missing"]

    closed = maker.post(f"/{case}/close")
    assert (closed["stage"], closed["recorded"]) == ("closed", 2)
    assert shop.get(f"/{case}")["stage"] == "closed"
    after_the_end: list[tuple[str, dict[str, Any]]] = [
        ("scope", {}),
        ("notices", {}),
        ("reconciliation", {}),
        ("close", {"reason": "again"}),
    ]
    for path, body in after_the_end:
        assert maker.post(f"/{case}/{path}", status=409, **body)["code"] == "recall.over"
    answer: dict[str, Any] = {"notice": notice["notice"], "told": []}
    assert shop.post(f"/{case}/acknowledgements", status=409, **answer)["code"] == "recall.over"


def test_the_affected_list_is_a_file_in_which_no_name_is_a_formula(
    caller: Callable[[str], Caller], client: httpx.Client
) -> None:
    case, notice = notified(caller)
    told = [{"thing": A, "outcome": "destroyed", "quantity": "1.50", "uom": "KGM"}]
    caller(SHOP).post(f"/{case}/acknowledgements", notice=notice, told=told)
    maker = caller(MAKER)
    address = f"/recalls/{case}/affected"
    rows = {(one["thing"], one["holder"]): one for one in maker.get(f"/{case}/affected")["affected"]}
    asked = client.get(address, headers={**maker.headers, "Accept": "text/csv"})
    assert asked.headers["content-type"].startswith("text/csv")
    heading, *lines = csv.reader(asked.text.splitlines())
    assert heading[:3] == ["thing", "kind", "holder"]
    assert [A, "item", SHOP, "no", "yes", "destroyed", "1.50", "KGM"] in lines
    assert [C, "item", OUTSIDE, "yes", "no", "", "", ""] in lines
    assert len(lines) == len(rows)
    sheet = client.get(address, params={"format": "xlsx"}, headers=maker.headers)
    assert sheet.headers["content-type"] == XLSX
    assert sheet.headers["content-disposition"] == 'attachment; filename="affected.xlsx"'
    assert sheet_rows(sheet.content) == [heading, *lines]
    assert client.get(address, params={"format": "pdf"}, headers=maker.headers).status_code == 422


def test_nobody_sees_what_another_was_told(caller: Callable[[str], Caller], engine: Engine) -> None:
    record(engine, ship(6, D, to=PARTY[CARRIER], owner=PARTY[CARRIER]), receive(7, D, by=CARRIER))
    maker, shop, carrier, rival = caller(MAKER), caller(SHOP), caller(CARRIER), caller(RIVAL)
    case = maker.post("", **OPEN)["case"]
    maker.post(f"/{case}/scope")
    maker.post(f"/{case}/notices", organisations=[SHOP])
    before = shop.get(f"/{case}")
    assert maker.post(f"/{case}/notices")["recorded"] == 1
    assert carrier.get(f"/{case}")["notices"][0]["things"] == [D]
    (notice,) = carrier.get(f"/{case}")["notices"]
    carrier.post(f"/{case}/acknowledgements", notice=notice["notice"], told=[{"thing": D, "outcome": "gone"}])
    after = shop.get(f"/{case}")
    aside = {"as_of": None, "known_at": None}
    assert after | aside == before | aside
    text = repr(after) + repr(shop.get(f"/{case}/affected"))
    assert CARRIER not in text
    assert D not in text
    assert [one["thing"] for one in shop.get(f"/{case}/affected")["affected"]] == [A, B]
    for stranger in (rival, caller("local")):
        assert stranger.get(f"/{case}", status=404)["code"] == "recall.unknown"
        assert stranger.get(f"/{case}", status=404) == stranger.get("/none", status=404)
        assert stranger.post(f"/{case}/close", status=404, reason="x")["code"] == "recall.unknown"
        assert stranger.listed() == []
    assert shop.listed() == carrier.listed() == maker.listed() == [case]
    # Only its opener ends it, and a notice is answered by whom it was sent to.
    assert shop.post(f"/{case}/close", status=403, reason="x")["code"] == "recall.not_its_opener"
    wrong = shop.post(f"/{case}/acknowledgements", status=409, notice=notice["notice"])
    assert wrong["code"] == "recall.not_notified"


def test_who_is_granted_decisions_sees_that_a_case_is_open_and_over_and_no_notice(
    caller: Callable[[str], Caller], engine: Engine, client: httpx.Client
) -> None:
    engine.organisations.set_grant(Grant(MAKER, PUBLIC, None, frozenset({"more"})))
    case, notice = notified(caller)
    public, shop, maker = Caller(client, {}), caller(SHOP), caller(MAKER)
    shown = public.get(f"/{case}")
    assert (shown["stage"], shown["whole"], shown["notices"], shown["scopes"]) == ("opened", False, [], [])
    assert SHOP not in repr(shown)
    assert public.get(f"/{case}/affected")["affected"] == []
    # Who sees the opening too answers its notice as anybody else, and its answer is not shown around.
    shop.post(f"/{case}/acknowledgements", notice=notice, told=[{"thing": A, "outcome": "gone"}])
    assert public.get(f"/{case}")["said"] == shown["said"]
    maker.post(f"/{case}/reconciliation")
    assert maker.post(f"/{case}/close")["recorded"] == 2
    for one in (public, shop, maker):
        assert one.get(f"/{case}")["stage"] == "closed"
    assert SHOP not in repr(public.get(f"/{case}"))


def test_what_is_recorded_later_widens_it(caller: Callable[[str], Caller], engine: Engine) -> None:
    case, _ = notified(caller)
    maker = caller(MAKER)
    assert maker.get(f"/{case}")["widened"] | {"known_at": 0} == {
        "known_at": 0,
        "reproduced": True,
        "entered": [],
        "left": [],
        "holders": [],
        "positions": [],
    }
    late = pack("late")
    record(engine, commission(1.5, late, number="A7"), receive(6, D, by=CARRIER))
    position = engine.ledger.head() - 1
    widened = maker.get(f"/{case}")["widened"]
    assert widened["entered"] == [{"thing": late, "holders": [MAKER], "positions": [position]}]
    assert widened["positions"] == [position]
    maker.post(f"/{case}/scope")
    shown = maker.get(f"/{case}")
    assert [one["items"] for one in shown["scopes"]] == [4, 5]
    assert shown["widened"]["entered"] == []
    # As it was known before.
    then = maker.get(f"/{case}", known_at=position - 1)
    assert (len(then["scopes"]), then["widened"]) == (1, None)


def test_a_holder_who_has_it_since_is_notified_of_what_is_new(caller: Callable[[str], Caller], engine: Engine) -> None:
    case, _ = notified(caller)
    maker, carrier = caller(MAKER), caller(CARRIER)
    assert maker.post(f"/{case}/notices", status=409)["code"] == "recall.nobody_to_notify"
    assert maker.post(f"/{case}/notices", status=422, organisations=[CARRIER])["code"] == "recall.not_a_holder"
    record(engine, ship(6, D, to=PARTY[CARRIER], owner=PARTY[CARRIER]), receive(7, D, by=CARRIER))
    assert maker.get(f"/{case}")["widened"]["holders"] == [{"holder": CARRIER, "things": [D]}]
    maker.post(f"/{case}/scope")
    assert maker.post(f"/{case}/notices")["recorded"] == 1
    assert carrier.get(f"/{case}")["notices"][0]["things"] == [D]


def test_an_item_says_that_it_is_recalled_to_whoever_may_see_the_case(
    caller: Callable[[str], Caller], client: httpx.Client, engine: Engine
) -> None:
    case, _ = notified(caller)
    maker, shop = caller(MAKER), caller(SHOP)

    def recalled(thing: str, headers: dict[str, str]) -> list[str]:
        path = thing.removeprefix("https://id.gs1.org")
        shown = client.get(path, headers={**headers, "Accept": "application/json"}).json()["recalls"]
        warned = "Recalled (I): Listeria" in client.get(path, headers={**headers, "Accept": "text/html"}).text
        assert warned == bool(shown)
        return [one["case"] for one in shown]

    for thing in (LOT, A, D):  # as a root, named in a notice, of the lot
        assert recalled(thing, maker.headers) == [case]
    engine.organisations.set_grant(Grant(MAKER, SHOP, None, EVERYTHING))
    assert recalled(A, shop.headers) == [case]
    # It was told of its own packs, and of the lot as what the case is about; of D it sees that it is of the lot.
    assert recalled(PALLET, shop.headers) == []
    engine.organisations.set_grant(Grant(MAKER, PUBLIC, None, EVERYTHING))
    assert recalled(A, {}) == []
    engine.organisations.set_grant(Grant(MAKER, PUBLIC, None, EVERYTHING | {"more"}))
    assert recalled(A, {}) == [case]
    maker.post(f"/{case}/cancel", reason="mixed up")
    for headers in ({}, maker.headers, shop.headers):
        assert recalled(A, headers) == []


def test_who_may_open_one(caller: Callable[[str], Caller], engine: Engine) -> None:
    engine.organisations.set_grant(Grant(MAKER, RIVAL, None, EVERYTHING))
    engine.organisations.set_grant(Grant(MAKER, "local", None, EVERYTHING))
    assert caller(RIVAL).post("", status=403, **OPEN)["code"] == "recall.no_authority"
    assert caller(CARRIER).post("", status=404, **OPEN)["code"] == "not_found"
    assert caller("local").post("", **OPEN)["stage"] == "opened"  # the operator
    place = OPEN | {"roots": ["https://id.gs1.org/414/9521234000006"]}
    assert caller(MAKER).post("", status=422, **place)["code"] == "recall.root"
    engine.organisations.set_grant(Grant(SHOP, RIVAL, None, EVERYTHING))
    assert caller(SHOP).post("", **OPEN | {"roots": [PALLET]})["stage"] == "opened"  # who has it


def test_the_same_request_is_carried_out_once(caller: Callable[[str], Caller]) -> None:
    maker = caller(MAKER)
    first = maker.post("", key="k1", **OPEN)
    assert maker.post("", key="k1", **OPEN) == first
    assert maker.post("", status=409, key="k1", **OPEN | {"name": "other"})["code"] == "capture.request_key"
    case = first["case"]
    maker.post(f"/{case}/scope")
    sent = maker.post(f"/{case}/notices", key="k2")
    assert maker.post(f"/{case}/notices", key="k2") == sent
    assert len(maker.get(f"/{case}")["notices"]) == 1
    closed = maker.post(f"/{case}/close", key="k3", reason="all is back")
    assert maker.post(f"/{case}/close", key="k3", reason="all is back") == closed


def test_of_two_who_end_a_case_at_once_one_is_refused_and_a_repeated_request_is_answered(
    caller: Callable[[str], Caller], client: httpx.Client
) -> None:
    maker = caller(MAKER)
    for n in range(3):
        case = maker.post("", **OPEN)["case"]
        ends = [("close", {"reason": "all is back"}), ("cancel", {"reason": "mixed up"})] * 3

        def end(what: tuple[str, dict[str, str]], case: str = case) -> int:
            return client.post(f"/recalls/{case}/{what[0]}", json=what[1], headers=maker.headers).status_code

        with ThreadPoolExecutor(6) as pool:
            assert sorted(pool.map(end, ends)) == [201, 409, 409, 409, 409, 409]
        assert [one["type"] for one in maker.get(f"/{case}")["said"]][1:] in (["closed"], ["cancelled"])

        def repeat(_: int, n: int = n) -> tuple[int, Any]:
            headers = {**maker.headers, "Idempotency-Key": f"same {n}"}
            answer = client.post("/recalls", json=OPEN, headers=headers)
            return answer.status_code, answer.json()

        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(repeat, range(6)))
        assert [status for status, _ in answers] == [201] * 6
        assert len({answer["case"] for _, answer in answers}) == 1


def test_the_trace_of_a_scope_is_a_bundle_that_verifies_offline(
    caller: Callable[[str], Caller], client: httpx.Client, engine: Engine
) -> None:
    case, _ = notified(caller)
    maker = caller(MAKER)
    record(engine, commission(1.5, pack("late"), number="A7"))
    integrate_all(engine)
    (scope,) = maker.get(f"/{case}")["scopes"]
    headers = {**maker.headers, "Accept": "application/zip"}
    zipped = client.post("/provenance/traces", json=scope["question"], headers=headers)
    assert zipped.status_code == 200, zipped.text
    bundle = verify_bundle(zipped.content, Trust((published_log(engine).key,)))
    assert digest_of(bundle.answer) == scope["digest"]


def test_a_case_that_was_not_added_up_is_closed_for_a_reason_or_cancelled(caller: Callable[[str], Caller]) -> None:
    case, _ = notified(caller)
    maker = caller(MAKER)
    assert maker.post(f"/{case}/close", status=409)["code"] == "recall.not_reconciled"
    assert maker.post(f"/{case}/close", reason="taken over by the authority")["stage"] == "closed"
    other, _ = notified(caller)
    assert maker.post(f"/{other}/cancel", reason="the sample was mixed up")["stage"] == "cancelled"
    assert caller(SHOP).get(f"/{other}")["ended"]["said"]["reason"] == "the sample was mixed up"


def test_what_is_forged_under_the_tag_of_a_case_is_not_in_it(caller: Callable[[str], Caller], engine: Engine) -> None:
    case, _ = notified(caller)
    before = caller(SHOP).get(f"/{case}")
    other = RecallClosed(case="another", organisation=SHOP, reason="x")
    forged = RecallClosed(case=case, organisation=SHOP, reason="x")
    for said, by in ((other, MAKER), (forged, RIVAL)):
        event = said.event(captured_by=by, occurred_at=engine.clock.now_us(), to=SHOP)
        tags = [f"case:{case}" if tag.startswith("case:") else tag for tag in event.tags]
        engine.ledger.append([said.to_event(captured_by=by, occurred_at=engine.clock.now_us(), tags=tags)])
    after = caller(SHOP).get(f"/{case}")
    assert after["stage"] == before["stage"] == "notified"
    assert [one["claim"] for one in after["said"]] == [None, "not_its_opener"]


def test_the_list_is_paged_newest_first(caller: Callable[[str], Caller], client: httpx.Client) -> None:
    maker = caller(MAKER)
    cases = [maker.post("", **OPEN | {"name": f"case {n}"})["case"] for n in range(3)]
    assert maker.listed() == cases[::-1]
    headers = maker.headers
    answer = client.get("/recalls", params={"perPage": 2}, headers=headers)
    assert [one["case"] for one in answer.json()["recalls"]] == cases[:0:-1]
    following = answer.links["next"]["url"]
    rest = client.get(following, headers=headers)
    assert [one["case"] for one in rest.json()["recalls"]] == cases[:1]
    assert "next" not in rest.links
