"""The page of one thing, put together from its history, its trace and the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from api.irregularities import IrregularitiesOut
from api.monitoring_models import SessionLine
from api.provenance_models import StopOut
from api.web import origin_section, words
from api.web.history_section import Logs, amount, history, latest, receipt_path, verify_path
from api.web.names import CBV_MASTER_DATA, Names, Stated, elements_of, kind_of, master_data, path_of
from api.web.page import Contents, Detail, Entry, ItemPage, Named, Origin, Proof, State, Temperature, Tone
from api.web.sign_in import AIRCRAFT_PARTS, DRUG_PACKAGES
from api.web.temperature_section import temperature
from api.web.thing_sections import exports, irregular_section, sessions_section
from traceability.gs1.digital_link import RESOLVER
from traceability.gs1.identifiers import Identifier
from traceability.ledger.organisations import Organisation
from traceability.supply_chain.aircraft_part.events import PartLimitSet, PartReleased, UtilisationStated
from traceability.supply_chain.decisions import HoldingRole, SeenDecision
from traceability.supply_chain.drug_package.events import PackDeactivated, PackReactivated
from traceability.supply_chain.entry import HistoryEntry
from traceability.supply_chain.history import ItemHistory, item_history
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.item import ENDED, ItemState, Lifecycle, makes
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.provenance import Direction, EdgeKind, TraceQuery, trace
from traceability.supply_chain.recall.case import RecallCase
from traceability.supply_chain.seen import Role, Subjects, is_class, is_lot, thing_of

MAX_ENTRIES: Final = 200
MAX_CONTENTS: Final = 60
MAX_DEPTH: Final = 20
MAX_TRACE: Final = 300
MAX_ASKED: Final = 12
"""Things in a trace of which we ask what they are called."""

_PROFILES: Final = (
    ((PackDeactivated, PackReactivated), "As a medicine", "whether it may be dispensed", DRUG_PACKAGES.path),
    ((PartReleased, PartLimitSet, UtilisationStated), "As a part", "life back to birth", AIRCRAFT_PARTS.path),
)


@dataclass(frozen=True, slots=True)
class Asking:
    """How the page asks for what is in no event of the thing, as its reader sees it.

    `stated` tells names out of master data, `recalled` the recalls that are open, `stopped` what recalls the lot or
    withdraws the product, `sessions` what watched the thing and whether there is more, `irregular` what recorded events
    get wrong about it.
    """

    stated: Stated = lambda _: {}
    recalled: Callable[[ItemHistory], Sequence[RecallCase]] = lambda _: ()
    stopped: Callable[[ItemHistory], Sequence[StopOut]] = lambda _: ()
    sessions: Callable[[], tuple[Sequence[SessionLine], int | None]] = lambda: ((), None)
    irregular: Callable[[], IrregularitiesOut | None] = lambda: None


_NOTHING_ELSE: Final = Asking()

_STOPPED: Final = {"batch_recalled": "Batch recalled", "product_withdrawn": "Product withdrawn"}
_ENDINGS: Final[Mapping[Lifecycle, str]] = {
    Lifecycle.CONSUMED: "Used up to make something else",
    Lifecycle.SUPPLIED: "Handed over to a customer",
    Lifecycle.DECOMMISSIONED: "Taken out of use",
    Lifecycle.DESTROYED: "Destroyed",
    Lifecycle.LOST_OR_STOLEN: "Lost or stolen",
}
_DATES: Final[Mapping[str, str]] = {
    "bestBeforeDate": "Best before",
    "itemExpirationDate": "Expires",
    "expirationDate": "Expires",
    "harvestStartDate": "Harvested",
    "countryOfOrigin": "Country of origin",
}


def item_page(
    identifier: Identifier,
    index: ProvenanceIndex,
    parties: Parties,
    organisations: Iterable[Organisation],
    logs: Logs,
    *,
    asking: Asking = _NOTHING_ELSE,
) -> ItemPage:
    """Return the page of a thing; raises `NotFoundError` when the reader may see nothing of it.

    `index` is the reader's view of the ledger, `parties` tells to whom parties belong, `logs` are those of the ledger.
    """
    thing = thing_of(identifier.uri)
    item = item_history(index, thing, parties)
    names = Names(organisations, asking.stated)
    names.learn(entry.event for entry in item.entries)
    return _page(identifier, item, names, logs, _origin(thing, index, names), asking=asking)


def _origin(thing: str, index: ProvenanceIndex, names: Names) -> Origin | None:
    """Look where the thing came from; when it is a beginning itself, what became of it."""
    for direction in (Direction.BACK, Direction.FORWARD):
        query = TraceQuery(
            (thing,), direction, max_depth=MAX_DEPTH, max_nodes=MAX_TRACE, edge_kinds=frozenset(EdgeKind)
        )
        found = trace(index, query)
        made = any(edge.kind is EdgeKind.TRANSFORMATION for edge in found.edges)
        if made or direction is Direction.FORWARD:
            names.learn(found.events.values())
            nameless = [key for key, node in found.nodes.items() if node.reach and not names.description(key)]
            names.learn(index.events(Subjects(set(nameless[:MAX_ASKED]))))
            return origin_section.origin(thing, found, names, forward=direction is Direction.FORWARD)
    return None


def _page(
    identifier: Identifier,
    item: ItemHistory,
    names: Names,
    logs: Logs,
    origin: Origin | None,
    *,
    asking: Asking,
) -> ItemPage:
    entries = item.entries[-MAX_ENTRIES:]
    chart = temperature(item.entries, item.readings)
    lines = history(item.thing, entries, names, logs)
    stops, irregular = asking.stopped(item), asking.irregular()
    watching, more = asking.sessions()
    hidden = len(item.entries) - len(entries)
    path = identifier.uri.removeprefix(RESOLVER)
    return ItemPage(
        uri=identifier.uri,
        path=path,
        json_path=f"/provenance/items{path}",
        kind=kind_of(item.thing),
        title=names.title(item.thing),
        elements=elements_of(identifier),
        state=_state(item.state, names),
        warnings=(
            *_recalls(asking.recalled(item), names),
            *_stops(stops, names),
            *_warnings(item, chart, lines, names),
        ),
        facts=tuple(_facts(item, names, stopped=bool(stops))),
        history=lines,
        more_history=f"{hidden} earlier events are only in the JSON." if hidden > 0 else None,
        temperature=chart,
        origin=origin,
        contents=_contents(item, names),
        sessions=sessions_section(item.thing, watching, more=more is not None, names=names),
        irregular=None if irregular is None else irregular_section(item.thing, irregular),
        exports=exports(path, published=any(line.leaf_index is not None for line in lines)),
        proof=_proof(item, logs),
    )


def _state(state: ItemState, names: Names) -> State:
    alarming = state.disposition in words.ALARMING or not words.ALARMING.isdisjoint(state.persistent_dispositions)
    ended = state.lifecycle in ENDED
    sentence = words.disposition(state.disposition)
    if ended and (state.disposition is None or state.lifecycle is Lifecycle.CONSUMED):
        sentence = _ENDINGS[state.lifecycle]
    where = None
    if state.place is not None:
        place = names.place(state.place).value
        where = f"last seen at {place}" if ended or state.disposition == "in_transit" else f"at {place}"
    since = None if state.last_seen_at is None else f"{words.moment(state.last_seen_at)} UTC"
    return State(sentence, where, since, Tone.WARN if alarming else Tone.PLAIN)


def _recalls(recalls: Sequence[RecallCase], names: Names) -> Iterator[str]:
    for one in recalls:
        about, opener = one.about, names.organisation(one.opened_by)
        yield f"Recalled ({about.classification}): {about.name}, {about.reason} (by {opener})."


def _stops(stops: Sequence[StopOut], names: Names) -> Iterator[str]:
    for one in stops:
        yield f"{_STOPPED[one.type]}: {one.reason} (by {names.organisation(one.by)}). That is never undone."


def _warnings(item: ItemHistory, chart: Temperature | None, lines: tuple[Entry, ...], names: Names) -> Iterator[str]:
    for hold in item.custody.holds:
        yield f"On hold, {hold.kind}: {hold.reason} (by {names.organisation(hold.placed_by)})."
    state = item.state
    for disposition in sorted(state.persistent_dispositions & words.ALARMING):
        yield f"{words.disposition(disposition)}."
    if chart is not None and chart.excursions:
        count = "One reading was" if chart.excursions == 1 else f"{chart.excursions} readings were"
        agreed = f"the agreed {chart.band}" if chart.band else "what was agreed"
        yield f"{count} outside {agreed}."
    if withdrawn := sum(line.retracted is not None for line in lines):
        yield f"{'One event was' if withdrawn == 1 else f'{withdrawn} events were'} withdrawn by who recorded it."
    if claims := sum(line.claim is not None for line in lines):
        yield f"{'One event is a claim' if claims == 1 else f'{claims} events are claims'} without authority."


def _facts(item: ItemHistory, names: Names, *, stopped: bool) -> Iterator[Detail]:
    state = item.state
    if state.commissioned_at is not None:
        yield Detail("Made", f"{words.moment(state.commissioned_at)} UTC")
    for name, value in next(master_data(item.entries), {}).items():
        label = _DATES.get(name.removeprefix(CBV_MASTER_DATA))
        if label is not None and isinstance(value, str):
            yield Detail(label, value)
    if state.lot is not None:
        yield _named("Lot", names.thing(state.lot))
    yield from _holders(item, names)
    for container in state.contained_in:
        yield _named("Inside", names.thing(container))
    for parent in state.attached_to:
        yield _named("Installed on", names.thing(parent))
    for child in state.attachments:
        yield _named("Carries", names.thing(child))
    yield from _of_lot(item)
    yield from _of_profiles(item, stopped=stopped)
    for disposition in sorted(state.persistent_dispositions - words.ALARMING):
        yield Detail("Checked", words.disposition(disposition))


def _of_lot(item: ItemHistory) -> Iterator[Detail]:
    if not is_lot(item.thing):
        return
    facts = item.state.quantities
    made = [one for one in facts if one.role in (Role.OBJECT, Role.OUTPUT) and one.action in ("ADD", None)]
    if made and made[0].quantity is not None:
        yield Detail("Amount made", amount(made[0].quantity, made[0].uom))
    yield Detail("As a lot", "amounts, stage and findings", f"/lots{path_of(item.thing)}")


def _of_profiles(item: ItemHistory, *, stopped: bool) -> Iterator[Detail]:
    """Lead to the pages of those who keep medicines and aircraft parts, where something was said that only they say."""
    said = {type(entry.event.payload) for entry in item.entries if isinstance(entry.event, SeenDecision)}
    for payloads, label, told, path in _PROFILES:
        medicine = stopped and path == DRUG_PACKAGES.path
        if (medicine or not said.isdisjoint(payloads)) and not (is_lot(item.thing) or is_class(item.thing)):
            yield Detail(label, told, f"{path}{path_of(item.thing)}")


def _holders(item: ItemHistory, names: Names) -> Iterator[Detail]:
    custody, ended = item.custody, item.state.lifecycle in ENDED
    if having := custody.holders(HoldingRole.CUSTODY):
        label = "Some is with" if is_lot(item.thing) and len(having) > 1 else "In the hands of"
        yield Detail(label, ", ".join(names.holder(holder) for holder in having))
    # That who made a thing owns it is only taken for granted, where the reader is told nothing of owners.
    granted = {entry.event.position for entry in item.entries if _makes_for_nobody(entry)}
    for holding in custody.of(HoldingRole.OWNERSHIP):
        if holding.until is None and holding.opened_by not in granted:
            yield Detail("Owned by", names.holder(holding.holder))
    for shipment in custody.shipments:
        if shipment.to is not None and not ended:
            yield Detail("Under way to", names.holder(shipment.to))


def _makes_for_nobody(entry: HistoryEntry) -> bool:
    named = any(kind == "owning_party" for ends in entry.event.ends for kind, _ in ends)
    return not named and makes(entry.event, [mention.role for mention in entry.mentions])


def _named(label: str, thing: Named) -> Detail:
    return Detail(label, thing.value, thing.href)


def _contents(item: ItemHistory, names: Names) -> Contents | None:
    heading, things = "What is in it", list(item.state.contents)
    if not things and item.members:
        heading, things = "What belongs to the lot", list(item.members)
    if not things:
        heading, things = "What was in it", list(dict.fromkeys(interval.child for interval in item.contents))
    if not things:
        return None
    more = len(things) - MAX_CONTENTS
    return Contents(
        heading=f"{heading}: {len(things)}",
        items=tuple(names.thing(thing) for thing in things[:MAX_CONTENTS]),
        more=f"{more} more are only in the JSON." if more > 0 else None,
    )


def _proof(item: ItemHistory, logs: Logs) -> Proof | None:
    entry = latest(item.entries)
    log = None if entry is None else logs.holding(entry.event.position)
    if entry is None or log is None:
        return None
    return Proof(
        leaf_index=log.leaf_index(entry.event.position),
        size=log.size,
        origin=log.origin,
        vkey=log.vkey,
        checkpoint=f"/logs/{log.name}/checkpoint",
        receipt=receipt_path(entry.event, entry.via or item.thing),
        verify=verify_path(entry.event, entry.via or item.thing),
        file=f"{entry.event.event_id}.tlog-proof",
    )
