"""Whatever was recorded, and however hostile its texts, a page comes out, well formed and with every text as text."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace
from html.parser import HTMLParser

from hypothesis import given, reject
from hypothesis import strategies as st

from api.web.history_section import Log, Logs
from api.web.item_page import Asking, item_page
from api.web.page import Named
from api.web.rendering import render
from tests.support.happenings import STORE, STRANGERS, Happening, commission, index_of, observe, pack
from tests.support.worlds import CONTAINERS, COUNTED, THINGS, worlds
from traceability.errors import NotFoundError
from traceability.gs1.identifiers import parse_identifier
from traceability.ledger.access import PUBLIC, Grant, Reader
from traceability.ledger.organisations import Organisation

LOGS = Logs((Log(1, 5, "main", "demo.example/main", "demo.example/main+1a2b3c4d+AdQ="),))
HOSTILE = "</title></svg>\"'><script>alert(1)</script>&amp;"
SCHEMES = ["https://ok.example/1", "javascript:alert(1)", "data:text/html,x", "JAVASCRIPT:alert(1)"]


class Elements(HTMLParser):
    """Collects what matters for safety, and fails where tags do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name == "style"]
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def elements_of(happenings: list[Happening], thing: str, organisations: list[Organisation] | None = None) -> Elements:
    page = item_page(parse_identifier(thing), index_of(happenings), STRANGERS, organisations or [], LOGS)
    elements = Elements()
    elements.feed(render("item.html", page=page, organisation=None))
    assert elements.open == []
    return elements


@given(worlds(), st.sampled_from([*THINGS, *CONTAINERS, *COUNTED]))
def test_every_world_has_its_pages(happenings: list[Happening], thing: str) -> None:
    try:
        elements = elements_of(happenings, thing)
    except NotFoundError:
        reject()
    else:
        assert "h1" in elements.tags


@given(st.text(max_size=30) | st.just(HOSTILE), st.sampled_from(SCHEMES))
def test_texts_of_others_stay_texts(text: str, scheme: str) -> None:
    thing = pack("1")
    made = commission(1, thing)
    made = replace(
        made,
        step=text or "x",
        disposition=text or "x",
        where={"readPoint": {"id": STORE, "urn:epcglobal:cbv:mda:name": text}},
        how={
            "ilmd": {
                "urn:epcglobal:cbv:mda:descriptionShort": text,
                "urn:epcglobal:cbv:mda:bestBeforeDate": text,
                "https://x.example/#storageTemperature": {"minimum": text, "maximum": text, "uom": text},
            },
            "certificationInfo": [scheme, text],
            "sensorElementList": [
                {"sensorMetadata": {"time": text}, "sensorReport": [{"type": text, "value": 1, "uom": text}]},
                {"sensorReport": [{"type": "Temperature", "value": 4, "uom": "CEL", "time": text}]},
            ],
        },
    )
    retracted = replace(observe(2, thing), event_id="urn:uuid:1")
    declared = retracted.retracted()
    declared.head["errorDeclaration"]["reason"] = text
    organisations = [Organisation("maker.example", text, (), None, 0)]
    elements = elements_of([made, retracted, declared], thing, organisations)
    assert "script" not in elements.tags
    assert not [
        address for address in elements.addresses if not address.startswith(("/", "https://ok.example/", "#main"))
    ]


def test_nobody_renames_the_places_of_others() -> None:
    thing = pack("1")
    made = commission(1, thing)
    seen = replace(
        observe(2, thing, by="rival.example"),
        where={"readPoint": {"id": STORE, "urn:epcglobal:cbv:mda:name": "Nowhere"}},
    )
    again = observe(3, thing, place=STORE)
    gln = STORE.removeprefix("https://id.gs1.org/414/")
    reader = Reader("maker.example", grants=(Grant("rival.example", PUBLIC, None, frozenset({"what", "where"})),))

    def place(holder: str) -> str | None:
        index = index_of([made, seen, again], reader=reader)
        page = item_page(
            parse_identifier(thing), index, STRANGERS, [Organisation(holder, "The Store", (gln,), None, 0)], LOGS
        )
        return page.state.where

    assert place("store.example") == "at The Store"
    assert place("rival.example") == "at Nowhere"


def test_master_data_names_places_and_products_beside_their_numbers() -> None:
    thing = pack("1")
    made, seen = commission(1, thing), observe(2, thing)
    seen = replace(seen, where={"readPoint": {"id": STORE}})
    names = {STORE: "The Store", thing.rpartition("/21/")[0]: "Smoked trout"}
    asked: list[str] = []

    def stated(subjects: AbstractSet[str]) -> dict[str, str]:
        asked.extend(subjects)
        return {subject: name for subject, name in names.items() if subject in subjects}

    page = item_page(parse_identifier(thing), index_of([made, seen]), STRANGERS, [], LOGS, asking=Asking(stated=stated))
    assert (page.title, page.state.where) == ("Smoked trout", "at The Store")
    gln = STORE.removeprefix("https://id.gs1.org/414/")
    assert [entry.place for entry in page.history] == [None, Named("The Store", number=f"(414) {gln}")]
    assert f"(414) {gln}</span>" in render("item.html", page=page, organisation=None)
    # Each is asked for once, and no serial number at all.
    assert sorted(asked) == sorted(names)
