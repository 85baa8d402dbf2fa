"""The whole interface against its own description: requests made up from `/openapi.json`, by schemathesis.

No request may end in a 5xx, and every answer has to be one that the description has: its status, its media type, its
schema. Where a path names something, half of the requests name something that is there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from pydantic import SecretStr
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from adapters.postgres.subscriptions import DeadDelivery
from api.app import create_app
from api.capture.receive import take_job
from api.evidence import register
from api.findings import findings_of
from api.named_queries import define
from api.notary import integrate_all
from api.page_tokens import next_page
from api.partners.define import define as define_partner
from api.recall_models import OpenIn
from api.recall_writes import open_recall
from api.register import read_statement, state
from api.settings import Settings
from api.subscriptions.manage import subscribe
from api.subscriptions.recalls import follow_recalls
from api.wiring import Engine, open_engine
from tests.api.conftest import serving
from tests.conftest import Database
from tests.support.capture_runs import PROCEED, run, send
from tests.support.epcis_events import DAIRY, PACK, PLACE, document, event
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.evidence import EvidenceRegistered
from traceability.ledger.findings import FindingFilter
from traceability.ledger.organisations import Scope
from traceability.ledger.partners import Kind
from traceability.supply_chain.commands.table import COMMANDS

EXAMPLES = 12
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
# What is made up without sense is always refused here; each has tests of its own.
NEED_MEANING = {
    "GET /notary/evidence/{event_id}/file",
    "GET /vocabularies/{vocabulary}/{id}",
    "POST /epcis/events",
    "POST /dead-letters/{dead_letter_id}/replay",
    "POST /epcis/queries",
    "POST /epcis/queries/{queryName}/subscriptions",
    "POST /findings/{finding_id}/replay",
    "POST /organisations",
    "POST /partners",
    "POST /partners/{name}/webhook",
    "POST /provenance/evaluations",
    "POST /provenance/evaluations/acknowledgements",
    "POST /provenance/traces",
    "POST /cold-chain/evaluations",
    "POST /drug-packages/verify",
    "GET /drug-packages/{id}",
    "GET /lots/{id}",
    "POST /cold-chain/sessions",
    "POST /cold-chain/sessions/{session}/seal",
    "POST /cold-chain/sessions/{session}/evaluation",
    "POST /cold-chain/sessions/{session}/disposition",
    "GET /cold-chain/sessions/{session}",
    "GET /cold-chain/calibrations",
    "POST /cold-chain/calibrations",
    "POST /clocks",
    "POST /clocks/{clock}/answer",
    "POST /clocks/{clock}/stop",
    "GET /clocks/{clock}",
    "POST /shipments",
    "POST /shipments/{shipment}/receipt",
    "POST /shipments/{shipment}/exceptions/{case}/answer",
    "POST /shipments/{shipment}/exceptions/{case}/close",
    "GET /shipments/{shipment}",
    "POST /recalls",
    "POST /recalls/subscriptions",
    *(
        f"POST /recalls/{{case}}/{step}"
        for step in ("scope", "notices", "acknowledgements", "reconciliation", "cancel", "close")
    ),
    "POST /register",
    *(f"POST /commands/{name}" for name in COMMANDS),
}
# What a database or a log that is not ready answers is described, and no failure here.
NOT_READY = {503}
PACK_URN, PLACE_URN = "urn:epc:id:sgtin:9521234.000001.1001", "urn:epc:id:sgln:9521234.00000.0"
EVENT_ID = "urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001"


@pytest.fixture(scope="module")
def engine(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder: Path = tmp_path_factory.mktemp("openapi")
    asked = Settings(
        database_url=SecretStr(shared_database.runtime_url),
        database_owner_url=SecretStr(shared_database.owner_url),
        data=folder,
        operator=DAIRY,
        outgoing_allow="127.0.0.1",
    )
    with open_engine(asked) as engine:
        engine.organisations.add(DAIRY, glns=["9521234000006"])
        engine.organisations.set_grant(Grant(DAIRY, PUBLIC, None, frozenset({"what"})))
        yield engine


@pytest.fixture(scope="module")
def there(engine: Engine) -> dict[str, str]:
    """Record some of everything; give a value that exists for each name in a path."""
    good = event(
        eventID=EVENT_ID,
        bizStep="shipping",
        disposition="in_transit",
        readPoint={"id": PLACE},
        bizLocation={"id": PLACE},
    )
    job = run(engine, send(engine, document(good, event(eventTime="yesterday")), behaviour=PROCEED, held=True))
    assert take_job(engine) is None
    evidence, _ = register(engine, DAIRY, EvidenceRegistered(sha256="ab" * 32))
    for query in ("shipped", "kept"):
        define(engine, DAIRY, b'{"name": "%s", "query": {"EQ_bizStep": ["shipping"]}}' % query.encode())
    webhook = b'{"dest": "http://127.0.0.1:1/hook", "stream": true, "initialRecordTime": "2020-01-01T00:00:00Z"}'
    subscription, failing = (subscribe(engine, DAIRY, query, webhook) for query in ("shipped", "kept"))
    followed = follow_recalls(engine, DAIRY, "http://127.0.0.1:1/hook")
    at = failing.position
    dead = DeadDelivery(uuid4(), failing.subscription_id, at, at + 1, 1, 9, 0, 0, "It was refused.")
    assert engine.subscriptions.give_up(dead, due_at=0)
    # By the name of the log, which is in paths as well.
    define_partner(engine, "main", DAIRY, Kind.EPCIS, address="https://dairy.example/epcis/events")
    integrate_all(engine)
    state(engine, DAIRY, read_statement("role_given", {"organisation": DAIRY, "role": "maker"}, 0))
    case = open_recall(engine, DAIRY, OpenIn(name="x", reason="x", classification="I", roots=[PACK])).case
    (finding,) = findings_of(engine).page(DAIRY, FindingFilter(), limit=9)
    key, _ = engine.organisations.create_key(DAIRY, [Scope.QUERY])
    (record,) = engine.ledger.records([1])
    return {
        "organisation": DAIRY, "key_id": key.key_id, "grantee": PUBLIC, "name": "main", "path": "0/000.p/2",
        "event_id": str(record.event.event_id), "id": PACK.removeprefix("https://id.gs1.org/"), "eventID": EVENT_ID,
        "eventType": "ObjectEvent", "epc": PACK_URN, "bizStep": "shipping", "disposition": "in_transit",
        "readPoint": PLACE_URN, "bizLocation": PLACE_URN, "captureID": str(job.job_id), "queryName": "shipped",
        "token": next_page(engine, "any", 1).token, "finding_id": str(finding.finding_id),
        "evidence": str(evidence.event.event_id), "subscriptionID": str(subscription.subscription_id),
        "dead_letter_id": str(dead.delivery_id), "case": case, "subscription_id": str(followed.subscription_id),
    }  # fmt: skip


def test_every_answer_is_one_that_the_description_has(engine: Engine, there: dict[str, str]) -> None:
    key = {"Authorization": f"Bearer {engine.organisations.create_key(DAIRY, list(Scope))[1]}"}
    failures: list[str] = []
    answered: dict[str, Counter[int]] = defaultdict(Counter)
    with serving(create_app(engine)) as client, requests.Session() as session:
        base = str(client.base_url).rstrip("/")
        schema = schemathesis.openapi.from_url(f"{base}/openapi.json", timeout=60)  # it is written when first asked for
        operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
        assert len(operations) > 90
        # What is there is asked for first, and what goes with a query is deleted before it.
        for operation in sorted(operations, key=lambda one: (one.method == "delete", -len(one.path))):

            @settings(
                max_examples=EXAMPLES, phases=[Phase.generate], derandomize=True, database=None,
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(operation.as_strategy())
            def ask(case: schemathesis.Case[Any]) -> None:
                if sum(answered[case.operation.label].values()) % 2:
                    for name in case.path_parameters or {}:
                        known = "evidence" if "evidence" in case.operation.path and name == "event_id" else name
                        case.path_parameters[name] = there.get(known, case.path_parameters[name])
                (case.query or {}).pop("wait", None)  # nobody captures or publishes here
                response = case.call(base_url=base, session=session, headers=key)
                answered[case.operation.label][response.status_code] += 1
                if response.status_code in NOT_READY:
                    return
                try:
                    case.validate_response(response, checks=CHECKS)
                except BaseExceptionGroup as error:
                    failures.append(f"{case.operation.label} {response.status_code}: {error}")

            ask()
    assert failures == []
    # Not only refusals were seen.
    refused = {label for label, statuses in answered.items() if not any(status < 400 for status in statuses)}
    assert refused <= NEED_MEANING
