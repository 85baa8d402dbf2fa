"""GET /epcis/events over a ledger of the generated feed, as one of its fifty organisations.

    python -m tests.benchmarks.queries [--events 100000] [--large 1] [--requests 100] [--data FOLDER]

Prints JSON, one object a family of queries: the first page, and pages at random depth. A request is everything but
HTTP itself: parameters to query, page, document. The values asked for are drawn from events that the organisation
sees, so that a question finds something, and each kind is asked for a while before it is measured; `--data` keeps the
loaded ledger and uses it again. Sensors are asked for by a carrier, error declarations by a packer and transformations
by a processor, who see them; `of none` and `of few` are questions that nothing, or little, of a frequent field meets.
Targets, at a million events: p95 20 ms (aim 10); with a company prefix, one of a fifth of all events and one of few,
50 ms (aim 20).

Master data: every organisation states its places and products and opens them to who asks, 5,000 of each, and all have
a name, so that a question for names leads to 10,000 things. What a question means is resolved once; `cold_ms` is the
first request of a process that has to. So it is with the order by an extension, of all that the organisation sees.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from itertools import count
from pathlib import Path

from adapters.postgres.event_query import PostgresEventQueries
from api.vocabularies import state
from api.wiring import Engine
from tests.benchmarks import generate
from tests.benchmarks._loaded import Feed, loaded
from tests.benchmarks._machine import machine
from tests.benchmarks._partners import Partner
from traceability.gs1.digital_link import RESOLVER
from traceability.gs1.epcis import EpcisView, view_of
from traceability.gs1.epcis.master_data import CBV_ATTRIBUTE, VocabularyElement, vocabulary_type
from traceability.gs1.epcis.query.event_query import Page, Place, QueryTooLargeError
from traceability.gs1.epcis.query.parameters import read_query
from traceability.gs1.epcis.writer import write_event, write_query_document
from traceability.gs1.identifiers import parse_identifier
from traceability.ledger.access import MASTER_DATA, Grant, Reader
from traceability.ledger.event import utc_text

READER = 40
"""The organisation that asks: a store, which captures events and is named in those of its suppliers."""

CARRIER, PACKER, PROCESSOR = 31, 22, 14
"""Who asks about sensors, error declarations and transformations, of which others see few or none."""

PAGE = 30
EXT = "https://ns.example/epcis/"
NAME, CITY = f"{CBV_ATTRIBUTE}name", f"{CBV_ATTRIBUTE}city"
REGION, DESERT = "https://id.example/regions/all", "https://id.example/regions/desert"
"""A place above all others, and one above 5,000 where nothing happens."""

_GATES, _PRODUCTS = 32, 100
_CHUNK = 4_000
_WARM_UP = 60
_SAMPLE = 400
PREFIXES = ("broad company prefix", "rare company prefix")

Parameters = list[tuple[str, str]]
Draw = Callable[[EpcisView], Parameters | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000, help="events in the ledger")
    parser.add_argument("--large", type=float, default=1.0, help="per cent of events with 1,000 items or more")
    parser.add_argument("--requests", type=int, default=100, help="requests of each family and depth")
    parser.add_argument("--organisation", type=int, default=READER, help="who asks: 0 to 49")
    parser.add_argument("--data", type=Path, help="folder of a ledger to load, or to use again")
    parser.add_argument("--only", default="", help="only families whose name holds this")
    chosen = parser.parse_args()
    with loaded(Feed(chosen.events, chosen.large), chosen.data, profiles=False) as engine:
        measure(engine, chosen.organisation, chosen.requests, chosen.only)


class Asking:
    """One organisation's questions."""

    def __init__(self, engine: Engine, organisation: int) -> None:
        partner = generate.organisations()[organisation]
        self.reader: Reader = engine.organisations.reader(partner.name)
        self.engine = engine
        self.forget()
        self.head = engine.ledger.head()
        self.visibilities = len(engine.visibility.allowed(self.reader))
        self.chance = random.Random(1)
        first, last = (self.page([("orderDirection", way)]).events[0] for way in ("ASC", "DESC"))
        self.span = view_of(first.parts).occurred_at, view_of(last.parts).occurred_at
        self.views = [view for view in map(self._sample, range(_SAMPLE)) if view is not None]

    def forget(self) -> None:
        """Ask as a process that has answered nothing yet."""
        self.queries = PostgresEventQueries(self.engine.ledger, self.engine.visibility, self.engine.register)

    def page(self, parameters: Parameters, place: Place | None = None, size: int = PAGE) -> Page:
        return self.queries.page(read_query(parameters), reader=self.reader, size=size, after=place)

    def anywhere(self) -> Place:
        return Place(self.head, self.chance.randint(*self.span), self.chance.randint(1, self.head))

    def answer(self, parameters: Parameters, place: Place | None) -> tuple[float, int, bool]:
        """Return milliseconds, events, and whether the page was short although more follows."""
        started = time.perf_counter()
        try:
            page = self.page(parameters, place)
        except QueryTooLargeError:
            page = Page([], None)
        write_query_document([write_event(e.parts, e.recorded_at, called=e.called) for e in page.events], created_at=0)
        elapsed = (time.perf_counter() - started) * 1000
        return elapsed, len(page.events), page.next is not None and len(page.events) < PAGE

    def _sample(self, _: int) -> EpcisView | None:
        events = self.page([], self.anywhere(), size=1).events
        return view_of(events[0].parts) if events else None


def families() -> dict[str, Draw]:
    day = 86_400_000_000

    def since(view: EpcisView) -> tuple[str, str]:
        return "GE_eventTime", utc_text(view.occurred_at - 30 * day)

    def epcs(view: EpcisView) -> list[str]:
        return [epc for epc in view.ids("epcList", "childEPCs")[:50] if "/21/" in epc]

    return {
        "all": lambda _: [],
        "all by recordTime": lambda _: [("orderBy", "recordTime")],
        "EQ_bizStep": lambda v: v.biz_step and [("EQ_bizStep", v.biz_step)],
        "EQ_bizStep GE_eventTime": lambda v: v.biz_step and [("EQ_bizStep", v.biz_step), since(v)],
        "EQ_disposition": lambda v: v.disposition and [("EQ_disposition", v.disposition)],
        "EQ_action": lambda v: v.action and [("EQ_action", v.action)],
        "eventType": lambda _: [("eventType", "TransactionEvent")],
        "EQ_readPoint": lambda v: v.read_point and [("EQ_readPoint", v.read_point)],
        "EQ_readPoint EQ_bizStep GE_eventTime": lambda v: (
            v.read_point and v.biz_step and [("EQ_readPoint", v.read_point), ("EQ_bizStep", v.biz_step), since(v)]
        ),
        "EQ_bizLocation": lambda v: v.biz_location and [("EQ_bizLocation", v.biz_location)],
        "EQ_bizTransaction": lambda v: (
            [(f"EQ_bizTransaction_{kind}", uri) for kind, uri in v.biz_transactions[:1] if kind] or None
        ),
        "EQ_source": lambda v: [(f"EQ_source_{kind}", uri) for kind, uri in v.sources[:1]] or None,
        "EQ_destination": lambda v: [(f"EQ_destination_{kind}", uri) for kind, uri in v.destinations[:1]] or None,
        "EQ_eventID": lambda v: v.event_id and [("EQ_eventID", v.event_id)],
        "MATCH_epc item": lambda v: [("MATCH_epc", epc) for epc in epcs(v)[:1]] or None,
        "MATCH_anyEPC item": lambda v: [("MATCH_anyEPC", epc) for epc in epcs(v)[:1]] or None,
        "MATCH_epc class": lambda v: (
            [("MATCH_epc", parse_identifier(epc).class_uri or "") for epc in epcs(v)[:1]] or None
        ),
        "MATCH_epc class EQ_bizStep": lambda v: (
            (v.biz_step and [("MATCH_epc", parse_identifier(epc).class_uri or "") for epc in epcs(v)[:1]]
            + [("EQ_bizStep", v.biz_step)]) or None
        ),
        **_of_items(),
        **_of_quantities(),
        **_of_fields(),
        PREFIXES[0]: lambda _: [("MATCH_anyEPC", f"urn:epc:idpat:sscc:{generate.broad_prefix()}.*")],
        PREFIXES[1]: lambda _: [("MATCH_epc", f"urn:epc:idpat:sgtin:{generate.rare_prefix()}.*.*")],
    }  # fmt: skip


def _ask(name: str, value: str | None) -> Parameters | None:
    return None if value is None else [(name, value)]


def _match(name: str, *lists: str) -> Draw:
    return lambda view: _ask(f"MATCH_{name}", next(iter(view.ids(*lists)), None))


def _of_items() -> dict[str, Draw]:
    return {
        "MATCH_parentID": _match("parentID", "parentID"),
        "MATCH_epcClass": _match("epcClass", "quantityList", "childQuantityList"),
        "MATCH_anyEPCClass": _match("anyEPCClass", "quantityList", "inputQuantityList", "outputQuantityList"),
        "GE_recordTime": lambda _: [("GE_recordTime", "2020-01-01T00:00:00Z")],
        "LT_recordTime of none": lambda _: [("LT_recordTime", "2020-01-01T00:00:00Z")],
        "eventCountLimit": lambda _: [("orderBy", "eventTime"), ("eventCountLimit", "1000")],
    }


def of_transformations() -> dict[str, Draw]:
    return {
        "MATCH_inputEPC": _match("inputEPC", "inputEPCList"),
        "MATCH_outputEPC": _match("outputEPC", "outputEPCList"),
        "MATCH_inputEPCClass": _match("inputEPCClass", "inputQuantityList"),
        "MATCH_outputEPCClass": _match("outputEPCClass", "outputQuantityList"),
        "EQ_transformationID": lambda v: _ask("EQ_transformationID", v.transformation_id),
    }


def of_declarations() -> dict[str, Draw]:
    return {
        "EXISTS_errorDeclaration": lambda _: [("EXISTS_errorDeclaration", "true")],
        "EQ_errorReason": lambda _: [("EQ_errorReason", "did_not_occur")],
        "GE_errorDeclarationTime": lambda v: [("GE_errorDeclarationTime", utc_text(v.occurred_at))],
        "EQ_correctiveEventID of none": lambda v: v.event_id and [("EQ_correctiveEventID", v.event_id)],
        "EQ_persistentDisposition_set of none": lambda _: [("EQ_persistentDisposition_set", "recalled")],
        "EQ_persistentDisposition_unset of none": lambda _: [("EQ_persistentDisposition_unset", "recalled")],
        "EQ_ERROR_DECLARATION of none": lambda _: [(f"EQ_ERROR_DECLARATION_{EXT}clerk", "7")],
    }


def _of_quantities() -> dict[str, Draw]:
    return {
        "GE_quantity": lambda v: [("GE_quantity", str(n)) for n in _quantities(v)[:1]] or None,
        "EQ_quantity_GRM of KGM": lambda v: [("EQ_quantity_GRM", str(n * 1000)) for n in _quantities(v)[:1]] or None,
        "GE_quantity_LTR of none": lambda _: [("GE_quantity_LTR", "1")],
        "maxEventCount": lambda v: (
            [("MATCH_anyEPC", epc) for epc in v.ids("epcList", "childEPCs")[:1]] + [("maxEventCount", "1000")]
        ),
    }


def _quantities(view: EpcisView) -> list[Decimal]:
    return [item.quantity for item in view.items if item.quantity is not None and item.uom == "KGM"]


def of_sensors() -> dict[str, Draw]:
    def metadata(view: EpcisView, name: str) -> str | None:
        return next((element["sensorMetadata"][name] for element in view.sensor_elements), None)

    def eq(name: str) -> Draw:
        return lambda view: _ask(f"EQ_{name}", metadata(view, name))

    return {
        "EXISTS_sensorElementList": lambda _: [("EXISTS_sensorElementList", "true")],
        "EQ_type": lambda _: [("EQ_type", "Temperature")],
        "EQ_type of none": lambda _: [("EQ_type", "Pressure")],
        "EQ_deviceID": eq("deviceID"),
        "EQ_dataProcessingMethod": eq("dataProcessingMethod"),
        "EQ_stringValue of none": lambda _: [("EQ_stringValue", "open")],
        "EQ_booleanValue of none": lambda _: [("EQ_booleanValue", "true")],
        "EQ_hexBinaryValue of none": lambda _: [("EQ_hexBinaryValue", "f0")],
        "EQ_uriValue of none": lambda _: [("EQ_uriValue", f"{EXT}readings/1")],
        "EQ_microorganism of none": lambda _: [("EQ_microorganism", f"{EXT}organisms/1")],
        "EQ_chemicalSubstance of none": lambda _: [("EQ_chemicalSubstance", f"{EXT}substances/1")],
        "EQ_bizRules of none": lambda _: [("EQ_bizRules", f"{EXT}rules/1")],
        "GE_time of none": lambda v: [("GE_time", utc_text(v.occurred_at))],
        "GE_endTime": lambda v: _ask("GE_endTime", metadata(v, "endTime")),
        "GE_startTime": lambda v: _ask("GE_startTime", metadata(v, "startTime")),
        "GE_maxValue_KEL of CEL": lambda _: [("GE_maxValue_KEL", "278.15")],
        "GE_maxValue_FAH of few": lambda _: [("GE_maxValue_FAH", "43.9")],
        "GE_maxValue_FAH of none": lambda _: [("GE_maxValue_FAH", "200")],
        "LT_sDev of none": lambda _: [("LT_sDev", "1")],
        "EQ_SENSORELEMENT of none": lambda _: [(f"EQ_SENSORELEMENT_{EXT}seal", "7")],
        "EQ_SENSORMETADATA of none": lambda _: [(f"EQ_SENSORMETADATA_{EXT}seal", "7")],
        "EQ_SENSORREPORT of none": lambda _: [(f"EQ_SENSORREPORT_{EXT}quality", "good")],
    }


def _of_fields() -> dict[str, Draw]:
    lot, expiry = (f"urn:epcglobal:cbv:mda:{name}" for name in ("lotNumber", "itemExpirationDate"))

    def ilmd(view: EpcisView, name: str) -> str | None:
        return (view.ilmd or {}).get(name)

    return {
        "EQ_ILMD": lambda v: _ask(f"EQ_ILMD_{lot}", ilmd(v, lot)),
        "EQ_ILMD of none": lambda _: [(f"EQ_ILMD_{lot}", "no such lot")],
        "GE_ILMD date": lambda v: _ask(f"GE_ILMD_{expiry}", ilmd(v, expiry)),
        "EXISTS_ILMD": lambda _: [(f"EXISTS_ILMD_{EXT}recipe", "true")],
        "EXISTS_ILMD of none": lambda _: [(f"EXISTS_ILMD_{EXT}allergens", "true")],
        "EQ_INNER_ILMD number": lambda _: [(f"EQ_INNER_ILMD_{EXT}version", "7")],
        "EQ of an extension": lambda v: _ask(f"EQ_{EXT}record", (v.extensions or {}).get(f"{EXT}record")),
        "EXISTS of a rare extension": lambda _: [(f"EXISTS_{EXT}grade", "true")],
        "GE_INNER number": lambda _: [(f"GE_INNER_{EXT}retries", "1")],
        "EQ_INNER": lambda v: _ask(
            f"EQ_INNER_{EXT}system", ((v.extensions or {}).get(f"{EXT}site") or {}).get(f"{EXT}system")
        ),
        "EXISTS_INNER of none": lambda _: [(f"EXISTS_INNER_{EXT}nothing", "true")],
        "EXISTS_readPoint of none": lambda _: [(f"EXISTS_readPoint_{EXT}gate", "true")],
        "EXISTS_bizLocation of none": lambda _: [(f"EXISTS_bizLocation_{EXT}gate", "true")],
        "orderBy of an extension": lambda _: [("orderBy", f"{EXT}record")],
    }  # fmt: skip


def _places(partner: Partner) -> list[tuple[str, list[str]]]:
    """Return the places of an organisation, itself, its sites and their gates, with what is below each: a hundred."""
    sites = [f"{RESOLVER}/414/{gln}" for gln in partner.glns]
    gates = {site: [f"{site}/254/gate{n}" for n in range(_GATES)] for site in sites[1:]}
    return [(sites[0], sites[1:]), *gates.items(), *((gate, []) for below in gates.values() for gate in below)]


def state_master_data(engine: Engine, reader: str) -> None:
    """Have every organisation state its places and products; a ledger that is used again has them already."""
    place, product = vocabulary_type("Location"), vocabulary_type("EPCClass")
    partners = generate.organisations()
    regions = [
        VocabularyElement(place, REGION, children=tuple(f"{RESOLVER}/414/{partner.glns[0]}" for partner in partners)),
        VocabularyElement(place, DESERT, children=tuple(f"{DESERT}/{n}" for n in range(5_000))),
    ]
    for partner in partners:
        elements = [
            VocabularyElement(place, uri, {NAME: f"{partner.display_name}, {n}"}, tuple(below))
            for n, (uri, below) in enumerate(_places(partner))
        ]
        links = [f"{RESOLVER}{one.path}" for one in partner.products]
        links += [f"https://id.{partner.name}/products/{n}" for n in range(_PRODUCTS - len(links))]
        elements += [
            VocabularyElement(product, uri, {NAME: f"Product {n}", CITY: "Chur" if n == 0 else "Thusis"})
            for n, uri in enumerate(links)
        ]
        elements += regions if partner.name == reader else []
        for _ in state(engine, partner.name, elements, stated_at=0):
            pass
        if partner.name != reader:
            engine.organisations.set_grant(Grant(partner.name, reader, None, frozenset({MASTER_DATA})))


def of_master_data() -> dict[str, Draw]:
    own = generate.organisations()[READER].glns[1]
    return {
        "WD_bizLocation of 5,000": lambda _: [("WD_bizLocation", REGION)],
        "WD_readPoint of 5,000": lambda _: [("WD_readPoint", REGION)],
        "WD_readPoint of 5,000 of none": lambda _: [("WD_readPoint", DESERT)],
        "WD_readPoint of a site": lambda _: [("WD_readPoint", f"{RESOLVER}/414/{own}")],
        "HASATTR_epcClass of 5,000": lambda _: [("HASATTR_epcClass", "name")],
        "HASATTR_readPoint of 5,000 EQ_bizStep": lambda v: (
            v.biz_step and [("HASATTR_readPoint", "name"), ("EQ_bizStep", v.biz_step)]
        ),
        "EQATTR_epcClass of 50": lambda _: [(f"EQATTR_epcClass_{CITY}", "Chur")],
        "HASATTR_epcClass of none": lambda _: [("HASATTR_epcClass", "weight")],
    }


def measure(engine: Engine, organisation: int, requests: int, only: str) -> None:
    state_master_data(engine, generate.organisations()[organisation].name)
    asked = (
        (organisation, families()),
        (organisation, of_master_data()),
        (CARRIER, of_sensors()),
        (PROCESSOR, of_transformations()),
        (PACKER, of_declarations()),
    )
    for who, some in asked:
        wanted = {name: draw for name, draw in some.items() if only in name}
        asking = Asking(engine, who) if wanted else None
        for name, draw in wanted.items():
            assert asking is not None
            drawn = [parameters for view in asking.views if (parameters := draw(view)) is not None]
            for depth in ("first page", "random depth") if drawn else ():
                asking.forget()
                places = (None if depth == "first page" else asking.anywhere() for _ in count())
                answers = [asking.answer(drawn[n % len(drawn)], next(places)) for n in range(_WARM_UP + requests)]
                report(name, depth, answers[_WARM_UP:], asking, cold=answers[0][0])


def report(name: str, depth: str, answers: list[tuple[float, int, bool]], asking: Asking, *, cold: float) -> None:
    ordered = sorted(elapsed for elapsed, _, _ in answers)
    figures = {
        "p50_ms": round(statistics.median(ordered), 2),
        "p95_ms": round(ordered[int(len(ordered) * 0.95)], 2),
        "max_ms": round(ordered[-1], 2),
        "cold_ms": round(cold, 2),
        "requests": len(ordered),
        "mean_events": round(statistics.mean(count for _, count, _ in answers), 1),
        "short_pages": sum(short for _, _, short in answers),
        "events": asking.head,
        "visibilities": asking.visibilities,
        "target_p95_ms": {"least": 50, "aim": 20} if name in PREFIXES else {"least": 20, "aim": 10},
    }
    print(json.dumps({"benchmark": f"{name}, {depth}", "machine": machine(), "figures": figures}), flush=True)


def talk(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
