"""What a page says, put together from the demo's stories without a server."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from api.demo.story import manifest
from api.web.page import ItemPage, Tone
from api.web.rendering import render
from tests.support.stories import (
    AIRCRAFT,
    DISPENSED,
    DRUG_PALLET,
    ENGINE,
    IN_STOCK,
    PACK,
    PALLET,
    REMOVED_PUMP,
    SAMPLE,
    TROUT,
    page_of,
)
from traceability.errors import NotFoundError
from traceability.ledger.access import Reader

VOID = {"br", "hr", "img", "input", "link", "meta"}
ALL_PAGES = [link.path for story in manifest().stories for link in story.links]


class Balanced(HTMLParser):
    """Fails on a tag that is closed by another; knows what ids there are, and which are pointed at."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.styles: list[str] = []
        self.named_by: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.styles += [name for name in values if name == "style" or name.startswith("on")]
        self.named_by += (values.get("aria-labelledby") or "").split()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def html(page: ItemPage) -> str:
    return render("item.html", page=page, organisation=None)


def details(page: ItemPage) -> list[str]:
    return [f"{detail.label} {detail.value}" for entry in page.history for detail in entry.details]


@pytest.mark.parametrize("path", ALL_PAGES)
def test_a_page_is_well_formed_and_keeps_to_the_content_policy(path: str) -> None:
    parser = Balanced()
    parser.feed(html(page_of(path)))
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert set(parser.named_by) <= set(parser.ids)
    assert parser.styles == []


def test_the_pack_tells_its_story() -> None:
    page = page_of(PACK)
    assert page.title == "Smoked trout fillet, 200 g"
    assert [(e.label, e.value) for e in page.elements] == [
        ("Serial", "0003"),
        ("Lot", "OAK-0902"),
        ("GTIN", "09521103001011"),
    ]
    assert (page.state.sentence, page.state.where) == ("On sale", "at Greenlane Grocers, Mill Street, chilled shelf")
    headlines = [entry.headline for entry in page.history]
    assert headlines[0] == "Made from 2 things"
    assert headlines[1] == "Packed into a logistic unit"
    assert headlines[-1] == "Put on sale"
    assert {"Shipped", "Unloaded", "Inspected", "Received"} <= set(headlines)
    assert "8.4 kg of Rainbow trout, gutted, on ice, lot TR-2509-01" in details(page)


def test_times_are_shown_in_utc_and_as_the_clock_showed_there() -> None:
    first = page_of(PACK).history[0]
    assert (first.utc, first.local) == ("2 Sep 2025, 14:20 UTC", "16:20 (+02:00)")
    last = page_of(PACK).history[-1]
    assert (last.utc, last.local) == ("7 Sep 2025, 23:10 UTC", "8 Sep 2025, 07:10 (+08:00)")


def test_the_warm_afternoon_is_told_and_the_withdrawn_readings_are_not_counted() -> None:
    page = page_of(PACK)
    assert page.temperature is not None
    assert page.temperature.band == "0 to 5 °C"
    assert [row.value for row in page.temperature.rows if row.note] == ["6.2", "8.7", "9.3", "7.1"]
    assert "9.3 °C on 5 Sep 2025, 06:40 UTC" in page.temperature.summary
    assert all(float(row.value) < 10 for row in page.temperature.rows)
    assert "4 readings were outside the agreed 0 to 5 °C." in page.warnings


def test_a_withdrawn_event_is_shown_once_with_who_and_why() -> None:
    page = page_of(PACK)
    (withdrawn,) = [entry for entry in page.history if entry.retracted]
    assert withdrawn.retracted == "Withdrawn by Northline Cold Freight on 5 Sep 2025, 00:12 UTC: incorrect data."
    assert "An error was declared" not in [entry.headline for entry in page.history]
    assert f"<s>{withdrawn.headline}</s>" in html(page)


def test_the_origin_is_drawn_and_listed() -> None:
    origin = page_of(PACK).origin
    assert origin is not None
    assert origin.heading == "Where it came from"
    told = [(row.source.value, row.how, row.target.value) for row in origin.rows]
    assert ("Rainbow trout, gutted, on ice, lot TR-2509-01", "went into", "Oakridge Smokehouse, packing room") in told
    assert any(how == "was in" for _, how, _ in told)
    assert f'href="{TROUT}"' in origin.svg


def test_like_things_are_drawn_as_one() -> None:
    origin = page_of(TROUT).origin
    assert origin is not None
    assert origin.heading == "What became of it"
    assert "12 × Smoked trout fillet, 200 g" in origin.svg
    assert origin.svg.count("<text") < 20


@pytest.mark.parametrize(
    ("path", "sentence", "tone"),
    [
        (SAMPLE, "Destroyed", Tone.PLAIN),
        (DISPENSED, "Dispensed", Tone.PLAIN),
        (IN_STOCK, "In stock, not yet on sale", Tone.PLAIN),
        (REMOVED_PUMP, "Needs to be replaced", Tone.WARN),
        (AIRCRAFT, "In use", Tone.PLAIN),
    ],
)
def test_the_state_is_a_sentence(path: str, sentence: str, tone: Tone) -> None:
    page = page_of(path)
    assert (page.state.sentence, page.state.tone) == (sentence, tone)


def test_parts_are_on_what_they_are_installed_on_and_no_longer_on_what_they_were() -> None:
    facts = {(fact.label, fact.value) for fact in page_of(ENGINE).facts}
    assert ("Installed on", "Aircraft 117, asset 9521302AC-117") in facts
    assert ("Carries", "Engine fuel pump KF-200, serial KF-20988") in facts
    assert not any("KF-20417" in value for _, value in facts)


def test_a_container_lists_what_was_in_it() -> None:
    contents = page_of(PALLET).contents
    assert contents is not None
    assert contents.heading == "What was in it: 2"


def test_the_public_does_not_learn_siblings_and_parties_of_a_medicine() -> None:
    page = html(page_of(DISPENSED))
    assert "AB7K0003" in page
    assert not [n for n in range(1, 21) if n != 3 and f"AB7K{n:04d}" in page]
    assert "From owner" not in page
    with pytest.raises(NotFoundError):
        page_of(DISPENSED, Reader("stranger.example"))


def test_a_party_sees_more() -> None:
    reader = Reader("meridian.example", frozenset(manifest().organisations[8].glns))
    page = page_of(DRUG_PALLET, reader)
    assert "From owner Alderbrook Biologics" in details(page)
    assert "Despatch advice: A-20931" in details(page)


def test_the_proof_names_leaf_and_size() -> None:
    page = page_of(PACK)
    assert page.proof is not None
    assert f"leaf index {page.proof.leaf_index} of a log of size {page.proof.size}" in html(page)
    assert page.proof.receipt.startswith("/provenance/events/")
