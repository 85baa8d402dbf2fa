"""The register over HTTP: stated, shown to whom it concerns, judged by, and proven offline; and the Guangzhou case."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from api.notary import integrate_all, published_log
from api.wiring import Engine
from tests.support.epcis_events import event
from traceability.ledger.access import MASTER_DATA, PUBLIC, Grant
from traceability.ledger.event import opaque_data
from traceability.ledger.organisations import Scope
from traceability.ledger.register.statements import LicenceGranted
from traceability.notary.verify import verify_receipt

Bearer = Callable[..., dict[str, str]]
IMPORTER, OFFICE = "importer.example", "office.example"
LICENCE = {
    "organisation": IMPORTER,
    "kind": "import",
    "number": "GZ-7",
    "issuer": "Guangzhou Customs",
    "since": "2025-03-01T00:00:00+08:00",
    "until": "2025-09-01T00:00:00+08:00",
}
CARGO = "https://id.gs1.org/00/095212340000000013"
IN_TIME, TOO_LATE = "2025-08-31T23:59:59+08:00", "2025-09-01T00:00:00+08:00"


class Speaker:
    """Somebody who states things in the register, and asks it."""

    def __init__(self, client: httpx.Client, headers: dict[str, str]) -> None:
        self._client = client
        self.headers = headers

    def say(self, type_: str, said: dict[str, Any], *, status: int = 201, **more: object) -> Any:
        body = {"type": type_, "said": said, **more}
        answer = self._client.post("/register", json=body, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    def ask(self, path: str, *, status: int = 200, **params: str | int) -> Any:
        answer = self._client.get(f"/register{path}", params=params, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    def do(self, command: str, **body: Any) -> httpx.Response:
        return self._client.post(f"/commands/{command}", json=body, headers=self.headers)

    def capture(self, said: dict[str, Any]) -> None:
        assert self._client.post("/epcis/events", json=said, headers=self.headers).status_code == 201

    def name(self, product: str, name: str) -> None:
        put = self._client.put(
            f"/vocabularies/EPCClass/{product}", json={"attributes": {"name": name}}, headers=self.headers
        )
        assert put.status_code == 201

    def named(self, product: str) -> Any:
        return self._client.get(f"/vocabularies/EPCClass/{product}", headers=self.headers).json()["name"]

    def may(self, action: str, at: str, **known_at: int) -> Any:
        params: dict[str, Any] = {"action": action, "at": at, **known_at}
        return self.ask(f"/{IMPORTER}/authorised", **params)


@pytest.fixture
def speaker(engine: Engine, client: httpx.Client, bearer: Bearer) -> Callable[[str], Speaker]:
    for name in (IMPORTER, OFFICE):
        engine.organisations.add(name)
    return lambda name: Speaker(client, bearer(name, Scope.CAPTURE, Scope.QUERY))


@pytest.fixture
def operator(speaker: Callable[[str], Speaker]) -> Speaker:
    return speaker("local")


def test_what_counts_is_recorded_once_and_corrected_by_saying_it_again(operator: Speaker) -> None:
    first = operator.say("licence_granted", LICENCE)
    assert (first["recorded"], first["claim"]) == (True, False)
    again = operator.say("licence_granted", LICENCE, status=200)
    assert (again["recorded"], again["position"]) == (False, first["position"])
    corrected = operator.say("licence_granted", LICENCE | {"issuer": "Customs of Guangzhou"})
    shown = operator.ask(f"/{IMPORTER}", as_of=IN_TIME)
    assert [one["issuer"] for one in shown["licences"]] == ["Customs of Guangzhou"]
    assert [one["position"] for one in shown["statements"]] == [corrected["position"]]
    then = operator.ask(f"/{IMPORTER}", as_of=IN_TIME, known_at=first["position"])
    assert [one["issuer"] for one in then["licences"]] == ["Guangzhou Customs"]


def test_only_the_operator_and_its_registrars_speak_for_others(speaker: Callable[[str], Speaker]) -> None:
    operator, office, importer = speaker("local"), speaker(OFFICE), speaker(IMPORTER)
    refused = office.say("licence_granted", LICENCE, status=403)
    assert refused["code"] == "register.not_registrar"
    # Whether there is such an organisation is not told.
    assert (
        office.say("licence_granted", LICENCE | {"organisation": "no.example"}, status=403)["code"] == refused["code"]
    )
    operator.say("role_given", {"organisation": OFFICE, "role": "registrar"})
    assert office.say("licence_granted", LICENCE)["claim"] is False
    assert office.say("licence_granted", LICENCE | {"organisation": "no.example"}, status=404)
    for type_, said in (
        ("rule_set", {"action": "receiving"}),
        ("role_given", {"organisation": IMPORTER, "role": "registrar"}),
    ):
        assert office.say(type_, said, status=403)["code"] == "register.not_operator"
    own = importer.say("licence_granted", LICENCE | {"number": "GZ-8"})
    assert own["claim"] is True
    assert importer.say("licence_granted", LICENCE | {"number": "GZ-8"}, status=200)["position"] == own["position"]
    shown = importer.ask(f"/{IMPORTER}")
    assert [one["number"] for one in shown["licences"]] == ["GZ-7"]
    assert [one["claim"] for one in shown["statements"]] == [None, "not_registrar"]
    # Of whom it trades with, an organisation's own word counts.
    assert importer.say("partner_authorised", {"organisation": IMPORTER, "partner": OFFICE})["claim"] is False


def test_what_is_hidden_is_seen_by_whom_it_is_about(speaker: Callable[[str], Speaker], client: httpx.Client) -> None:
    operator, importer, store = speaker("local"), speaker(IMPORTER), speaker("store.example")
    operator.say("rule_set", {"action": "receiving", "licences": ["import"], "since": "2025-01-01T00:00:00Z"})
    operator.say("licence_granted", LICENCE, hidden=True)
    assert importer.ask(f"/{IMPORTER}")["statements"][0]["hidden"] is True
    assert store.ask(f"/{IMPORTER}", status=404)["code"] == "register.unknown"
    assert client.get(f"/register/{IMPORTER}").status_code == 404
    # A refusal tells as little as the page.
    assert importer.may("receiving", IN_TIME)["authorised"] is True
    assert store.may("receiving", IN_TIME)["refusal"]["code"] == "no_licence"
    assert operator.say("prefix_held", {"organisation": IMPORTER, "prefix": "9521"}, status=422, hidden=True)[
        "code"
    ] == ("register.public")


def test_rules_registrars_and_prefixes_are_for_everybody(operator: Speaker, client: httpx.Client) -> None:
    operator.say("rule_set", {"action": "receiving", "licences": ["import"]})
    operator.say("role_given", {"organisation": OFFICE, "role": "registrar"})
    operator.say("role_given", {"organisation": IMPORTER, "role": "carrier"})
    operator.say("prefix_held", {"organisation": IMPORTER, "prefix": "9521234"})
    shown = client.get("/register").json()
    told = {name: [one["said"] for one in shown[name]] for name in ("rules", "registrars", "prefixes")}
    assert [(name, len(saids)) for name, saids in told.items()] == [("rules", 1), ("registrars", 1), ("prefixes", 1)]
    assert told["prefixes"][0]["prefix"] == "9521234"
    before = client.get("/register", params={"known_at": 1}).json()
    assert [len(before[name]) for name in told] == [1, 0, 0]
    assert [one["said"]["prefix"] for one in client.get(f"/register/{IMPORTER}").json()["prefixes"]] == ["9521234"]


def test_numbers_are_issued_by_the_holder_of_their_prefix(engine: Engine, speaker: Callable[[str], Speaker]) -> None:
    operator, importer, store = map(speaker, ("local", IMPORTER, "store.example"))
    pack = "https://id.gs1.org/01/09521234000013/21/1001"
    operator.say("prefix_held", {"organisation": IMPORTER, "prefix": "9521234", "since": "2025-01-01T00:00:00Z"})
    refused = store.do("commission", things=[pack], event_time=IN_TIME)
    assert [one["rule"] for one in refused.json()["rules"]] == ["prefix_of_another"]
    assert importer.do("commission", things=[pack], event_time=IN_TIME).status_code == 201
    # Of the product, too, the holder's word is believed.
    for one, name in ((store, "Chalk"), (importer, "Cheese")):
        one.name("01/09521234000013", name)
    assert store.named("01/09521234000013") == "Chalk"  # for itself, while it does not see the other's
    engine.organisations.set_grant(Grant(IMPORTER, PUBLIC, None, frozenset({MASTER_DATA})))
    assert store.named("01/09521234000013") == "Cheese"


@pytest.mark.parametrize(
    ("type_", "said"),
    [
        ("licence_sold", {}),
        ("licence_granted", {}),
        ("licence_granted", LICENCE | {"until": "2025-01-01T00:00:00Z"}),
        ("licence_granted", LICENCE | {"since": "2025-03-01"}),
        ("licence_granted", LICENCE | {"colour": "red"}),
        ("key_bound", {"organisation": IMPORTER, "public_key": "AAAA"}),
    ],
)
def test_what_is_malformed_is_refused(operator: Speaker, type_: str, said: dict[str, Any]) -> None:
    assert operator.say(type_, said, status=422)["code"] == "register.malformed"


def test_the_contact_of_a_business_is_for_whoever_recorded_it(operator: Speaker, client: httpx.Client) -> None:
    said = {"organisation": IMPORTER, "legal_name": "Pearl River Imports Ltd.", "contact": "Li Hua"}
    operator.say("organisation_registered", said)
    assert operator.ask(f"/{IMPORTER}")["registration"]["said"]["contact"] == "Li Hua"
    assert "Li Hua" not in client.get(f"/register/{IMPORTER}").text


def test_an_importer_is_registered_checked_at_the_gate_and_refused_when_its_licence_has_expired(
    engine: Engine, client: httpx.Client, speaker: Callable[[str], Speaker]
) -> None:
    """The register office of Guangzhou registers an importer; the port asks before it lets a shipment go.

    What the port then holds are receipts: it checks them with the log's key alone, and a signature of the importer's
    with the key that they bind to it.
    """
    integrate_all(engine)
    operator, office, port, importer = map(speaker, ("local", OFFICE, "store.example", IMPORTER))
    operator.say("rule_set", {"action": "receiving", "licences": ["import"], "since": "2025-01-01T00:00:00+08:00"})
    operator.say("role_given", {"organisation": OFFICE, "role": "registrar", "since": "2025-01-01T00:00:00+08:00"})
    registered = {
        "organisation": IMPORTER,
        "legal_name": "Pearl River Imports Ltd.",
        "identifiers": [{"scheme": "uscc", "value": "91440101MA5CTRUE0X"}],
        "office": "Guangzhou Market Supervision Administration",
        "since": "2025-02-01T00:00:00+08:00",
    }
    office.say("organisation_registered", registered)
    office.say("licence_granted", LICENCE)
    secret = Ed25519PrivateKey.generate()
    public_key = b64encode(secret.public_key().public_bytes_raw()).decode()
    office.say("key_bound", {"organisation": IMPORTER, "public_key": public_key, "since": LICENCE["since"]})

    gate = port.may("receiving", IN_TIME)
    assert gate["authorised"] is True
    assert [one["type"] for one in gate["rests_on"]] == ["rule_set", "organisation_registered", "licence_granted"]

    # Every statement that the verdict rests on is proven without this server.
    integrate_all(engine)
    log_key = published_log(engine).key
    licence = None
    for one in gate["rests_on"]:
        shown = verify_receipt(client.get(one["receipt"]).content, log_key).opening.shown()
        if one["type"] == "licence_granted":
            licence = LicenceGranted.model_validate_json(opaque_data(shown))
    assert licence is not None
    assert (licence.organisation, licence.number, licence.issuer) == (IMPORTER, "GZ-7", "Guangzhou Customs")
    (bound,) = port.ask(f"/{IMPORTER}", as_of=IN_TIME)["keys"]
    verify_receipt(client.get(bound["receipt"]).content, log_key)
    voucher = b"pick up 24 pallets, 2025-08-31"
    Ed25519PublicKey.from_public_bytes(b64decode(bound["said"]["public_key"])).verify(secret.sign(voucher), voucher)

    # What it did with its licence counts; without, its commands are refused, and what it sends is a claim.
    assert importer.do("receive", things=[CARGO], event_time=IN_TIME).status_code == 201
    refused = importer.do("receive", things=["https://id.gs1.org/01/09521234000013/21/7"], event_time=TOO_LATE)
    assert (refused.status_code, [one["rule"] for one in refused.json()["rules"]]) == (409, ["not_authorised"])
    importer.capture(event(epcList=[CARGO], eventTime=TOO_LATE, bizStep="receiving", disposition="damaged"))
    item = client.get(f"/provenance/items/{quote(CARGO, safe='')}", headers=importer.headers).json()
    assert [(one["authority"], one["reason"]) for one in item["history"]] == [
        ("first_to_speak", None),
        ("claim", "not_authorised"),
    ]
    assert item["state"]["disposition"] == "in_progress"

    late = port.may("receiving", TOO_LATE)
    assert (late["authorised"], late["refusal"]["code"]) == (False, "licence_expired")
    assert late["refusal"]["remedy"]
    # Suspended in between, as was only known later: what the gate knew then is still what it knew then.
    known_at = engine.ledger.head()
    named = {name: LICENCE[name] for name in ("organisation", "kind", "number")}
    office.say("licence_suspended", {**named, "reason": "false papers", "since": "2025-06-01T00:00:00+08:00"})
    assert port.may("receiving", IN_TIME)["refusal"]["code"] == "licence_suspended"
    assert port.may("receiving", IN_TIME, known_at=known_at)["authorised"] is True
    office.say("licence_reinstated", {**named, "since": "2025-07-01T00:00:00+08:00"})
    office.say("licence_granted", LICENCE | {"since": LICENCE["until"], "until": "2026-09-01T00:00:00+08:00"})
    assert [port.may("receiving", at)["authorised"] for at in (IN_TIME, TOO_LATE)] == [True, True]
