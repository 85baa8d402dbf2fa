"""The page /verify in Chromium: from a scanned code to a checked receipt, by file, by keyboard, saved, unscripted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, ViewportSize, expect

from api.app import create_app
from api.notary import published_log
from tests.api.conftest import serving
from tests.browser.conftest import Visit, open_at, press
from tests.browser.test_pages import CONTRAST, DESK, SMALL_PHONE, sideways
from tests.browser.test_verify_receipts import single
from tests.browser.traffic import Traffic
from tests.conformance.test_bundles import BUNDLE, changed, cosigned
from tests.conformance.test_receipts import ONE_PACK, VKEY, WHOLE
from tests.conftest import Database
from tests.support.logs import KEY, stored_event
from tests.support.stories import PACK, published_stories
from traceability.ledger.parts import PART_NAMES, Parts
from traceability.notary.note import SigningKey
from traceability.notary.policy import Policy, PolicyLog, PolicyWitness
from traceability.notary.proof import LogProof

HOLDS = "This receipt holds"
FAILS = "This receipt does not hold"
NO_ED25519 = """
  const { importKey } = SubtleCrypto.prototype;
  SubtleCrypto.prototype.importKey = function (format, key, algorithm, ...rest) {
    if (algorithm === "Ed25519") return Promise.reject(new DOMException("Unrecognized name.", "NotSupportedError"));
    return importKey.call(this, format, key, algorithm, ...rest);
  };
"""


@dataclass(frozen=True)
class Served:
    origin: str
    vkey: str


@pytest.fixture(scope="module")
def served(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that tells the stories, with its log published."""
    with (
        published_stories(shared_database, tmp_path_factory.mktemp("data")) as engine,
        serving(create_app(engine)) as client,
    ):
        yield Served(str(client.base_url).rstrip("/"), published_log(engine).key.text)


def open_page(page: Page, served: Served) -> None:
    open_at(page, f"{served.origin}/verify")
    expect(page.get_by_label("Keys of logs")).to_have_value(served.vkey)


def payload(name: str, content: bytes | str) -> FilePayload:
    return {
        "name": name,
        "mimeType": "application/octet-stream",
        "buffer": content.encode() if isinstance(content, str) else content,
    }


def choose(page: Page, name: str, content: bytes | str) -> None:
    page.locator("#verdict h2").evaluate_all("all => all.forEach((heading) => heading.setAttribute('data-old', ''))")
    page.get_by_label("A receipt (.tlog-proof) or a bundle (.zip)").set_input_files(payload(name, content))


def verdict(page: Page, sentence: str | re.Pattern[str]) -> Locator:
    """Wait for this verdict on what was chosen last, and give it with all that it says: they come at once."""
    expect(page.locator("#verdict h2:not([data-old])")).to_have_accessible_name(sentence)
    return page.locator("#verdict")


def trust(page: Page, text: str) -> None:
    """Trust these keys or policy; what was checked before is checked again."""
    field = page.get_by_label("Keys of logs")
    field.fill(text)
    field.blur()  # else the verdict, which takes the focus, would begin a second check


@pytest.mark.parametrize("size", [SMALL_PHONE, DESK], ids=["phone", "desk"])
def test_two_taps_from_a_scanned_code_to_a_checked_receipt(visit: Visit, served: Served, size: ViewportSize) -> None:
    page = visit.page
    page.set_viewport_size(size)
    open_at(page, served.origin + PACK)
    press(page.get_by_role("link", name="Verify this", exact=True))
    text = verdict(page, HOLDS).inner_text()
    assert served.vkey in text
    assert "(this server's word for it)" in text
    assert "Serial 0003" in text
    assert sideways(page) <= 0
    expect(page.locator("#verdict h2")).to_be_focused()
    visit.traffic.assert_origin_only(served.origin)


def test_every_line_of_a_history_leads_to_its_receipt_that_holds(visit: Visit, served: Served) -> None:
    page = visit.page
    open_at(page, served.origin + PACK)
    links = page.get_by_role("link", name="verify this").evaluate_all("all => all.map((e) => e.href)")
    assert len(links) > 5
    for link in links:
        page.goto(link)
        verdict(page, HOLDS)


def test_nothing_is_sent_while_a_file_is_checked(visit: Visit, served: Served) -> None:
    page = visit.page
    open_page(page, served)
    trust(page, VKEY)
    before = len(visit.traffic.requests)
    files: list[tuple[str, bytes | str, str]] = [
        ("pack.tlog-proof", ONE_PACK, HOLDS),
        ("whole.tlog-proof", WHOLE, HOLDS),
        ("trace.zip", BUNDLE, "This bundle holds"),
        ("bad.tlog-proof", ONE_PACK.replace("index 70", "index 71"), FAILS),
    ]
    for name, content, expected in files:
        choose(page, name, content)
        verdict(page, expected)
    assert visit.traffic.requests[before:] == []


def test_a_verdict_says_what_is_proven_shown_withheld_and_not_proven(visit: Visit, served: Served) -> None:
    page = visit.page
    open_page(page, served)
    trust(page, VKEY)
    choose(page, "pack.tlog-proof", ONE_PACK)
    text = verdict(page, HOLDS).inner_text()
    for sentence in (
        "leaf 70 of 300 in the log dairy.example/log",
        "1 Mar 2026, 08:15:00 UTC; there 1 Mar 2026, 09:15:00 (+01:00)",
        "Item: GTIN 09521234000013, Serial 1399",
        "Logistic unit: SSCC 095212340000000013",
        "Place: GLN 9521234000006",
        "999 things of the 1,001 that it is about",
        "the parties and business documents",
        "personal data",
        "That no other event about the same things was left out.",
        "no witness that you named has signed it",
    ):
        assert sentence in text
    assert "1398" not in page.content()
    assert "(this server's word for it)" not in text
    expect(page.get_by_role("heading", name="Packed")).to_be_visible()


def test_the_servers_own_bundle_of_an_item(visit: Visit, served: Served) -> None:
    answer = httpx.get(f"{served.origin}/provenance/items{PACK}", headers={"Accept": "application/zip"}, timeout=60)
    assert answer.status_code == 200, answer.text
    page = visit.page
    open_page(page, served)
    choose(page, "pack.zip", answer.content)
    shown = verdict(page, "This bundle holds")
    expect(shown).to_contain_text("the history of a thing for public")
    shown.locator("summary", has_text="answer.json").click()
    expect(shown.locator("pre").first).to_be_visible()
    expect(shown.locator("pre").first).to_contain_text("/01/09521103001011/21/0003")


@pytest.mark.parametrize("size", [SMALL_PHONE, DESK], ids=["phone", "desk"])
def test_a_bundle_in_words(visit: Visit, served: Served, size: ViewportSize) -> None:
    page = visit.page
    page.set_viewport_size(size)
    open_page(page, served)
    trust(page, VKEY)
    choose(page, "trace.zip", BUNDLE)
    text = verdict(page, "This bundle holds").inner_text()
    assert "The answer rests on 7 events." in text
    assert "a trace for dairy.example, as known at position 310" in text
    assert "nobody signs answers" in text
    assert "of 7 events personal data" in text
    expect(page.locator("#verdict .card")).to_have_count(7)
    expect(page.get_by_role("button", name="that are left")).to_have_count(0)
    assert sideways(page) <= 0


def test_a_wrong_file_says_which_check_failed_and_where(visit: Visit, served: Served) -> None:
    page = visit.page
    open_page(page, served)
    choose(page, "pack.tlog-proof", ONE_PACK)
    expect(verdict(page, FAILS)).to_contain_text("you trust no key of the log dairy.example/log")
    trust(page, VKEY)
    verdict(page, HOLDS)
    for text, reason, code in [
        (ONE_PACK.replace("index 70", "index 71"), "what is shown is not in the log's tree", "log.inclusion"),
        (ONE_PACK.replace("\n300\n", "\n301\n"), "the signature of dairy.example/log does not verify", "log.signature"),
        ("nonsense", "this is not a tlog-proof", "log.verification"),
    ]:
        choose(page, "x", text)
        shown = verdict(page, FAILS)
        expect(shown).to_contain_text(reason)
        expect(shown).to_contain_text(code)
    broken = bytearray(BUNDLE)
    at = BUNDLE.index(b"events.ndjson") + 2_000
    broken[at] ^= 1
    choose(page, "x.zip", bytes(broken))
    verdict(page, "This bundle does not hold")


def test_a_bundle_names_the_event_that_was_changed(visit: Visit, served: Served) -> None:
    page = visit.page
    open_page(page, served)
    trust(page, VKEY)

    def third(events: bytes) -> bytes:
        lines = events.split(b"\n")
        lines[2] = lines[2].replace(b'"j":7', b'"j":6')
        return b"\n".join(lines)

    choose(page, "x.zip", changed("events.ndjson", third))
    expect(verdict(page, "This bundle does not hold")).to_contain_text("event 3 of 7 (line 3 of events.ndjson)")


def test_a_policy_is_dropped_and_its_witnesses_are_told(visit: Visit, served: Served) -> None:
    page = visit.page
    open_page(page, served)
    proof = LogProof.parse(ONE_PACK.encode())
    note, key = cosigned(proof.checkpoint.encode(), 1_772_352_901)
    witnessed = LogProof(proof.index, proof.path, note.decode(), proof.extra).text()
    policy = Policy((PolicyLog(KEY.verifier),), (PolicyWitness("w", key),), (), "w").encode()
    choose(page, "my.policy", policy)
    expect(page.locator("#status")).to_contain_text("Understood.")
    choose(page, "pack.tlog-proof", witnessed)
    text = verdict(page, HOLDS).inner_text()
    assert "w.example, as it says on 1 Mar 2026, 08:15:01 UTC" in text
    assert "is met" in text
    assert "no witness that you named" not in text
    choose(page, "pack.tlog-proof", ONE_PACK)
    expect(verdict(page, FAILS)).to_contain_text("log.quorum")
    trust(page, "log nonsense\n")
    expect(verdict(page, "Nothing is checked yet")).to_contain_text("line 1 of the policy")


def test_by_keyboard_alone(visit: Visit, served: Served) -> None:
    page = visit.page
    open_page(page, served)
    reached: list[str] = []
    while "trust" not in reached:
        page.keyboard.press("Tab")
        focus: Any = page.evaluate(
            """() => {
              const e = document.activeElement;
              return [e.id || e.tagName, getComputedStyle(e).outlineStyle !== 'none'];
            }"""
        )
        assert focus[1], f"the focus on {focus[0]} cannot be seen"
        reached.append(focus[0])
        if focus[0] == "SUMMARY":
            page.keyboard.press("Enter")
    assert reached.index("file") < reached.index("text") < reached.index("BUTTON") < reached.index("trust")
    page.get_by_label("The text of the receipt").focus()
    page.keyboard.insert_text(ONE_PACK)
    page.get_by_label("Keys of logs").focus()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(VKEY)
    page.get_by_role("button", name="Check it").focus()
    page.keyboard.press("Enter")
    verdict(page, HOLDS)
    expect(page.locator("#verdict h2")).to_be_focused()
    expect(page.locator("#status")).to_have_role("status")


def test_a_file_is_dropped_on_the_page(visit: Visit, served: Served) -> None:
    page = visit.page
    open_page(page, served)
    trust(page, VKEY)
    dropped = page.evaluate_handle(
        "text => { const all = new DataTransfer(); all.items.add(new File([text], 'a.tlog-proof')); return all; }",
        ONE_PACK,
    )
    page.dispatch_event("body", "drop", {"dataTransfer": dropped})
    verdict(page, HOLDS)


def test_without_scripts_the_page_gives_the_commands(chromium: Browser, served: Served) -> None:
    with chromium.new_context(java_script_enabled=False, viewport=SMALL_PHONE) as context:
        page = context.new_page()
        traffic = Traffic.of(page)
        open_at(page, f"{served.origin}/verify")
        text = page.locator("main").inner_text()
        assert "traceability log verify event.tlog-proof --key" in text
        assert "python -m traceability.notary.verify event.tlog-proof --key" in text
        expect(page.get_by_label("Keys of logs")).to_be_hidden()
        assert sideways(page) <= 0
        traffic.assert_origin_only(served.origin)


def test_where_signatures_cannot_be_checked_nothing_is_said_to_hold(chromium: Browser, served: Served) -> None:
    with chromium.new_context(viewport=SMALL_PHONE) as context:
        context.add_init_script(NO_ED25519)
        page = context.new_page()
        open_page(page, served)
        expect(page.locator("#no-signatures")).to_be_visible()
        trust(page, VKEY)
        for name, content in (("pack.tlog-proof", ONE_PACK), ("trace.zip", BUNDLE)):
            choose(page, name, content)
            text = verdict(page, re.compile("^Not finished: the signature")).inner_text()
            assert "holds" not in text
            assert re.search(rf"traceability log verify \S+ --key '{re.escape(VKEY)}'", text)
            assert "That the log has signed this tree at all." in text
        choose(page, "x.tlog-proof", ONE_PACK.replace("index 70", "index 71"))
        verdict(page, FAILS)


def test_the_saved_page_needs_no_server_and_may_ask_nobody(chromium: Browser, served: Served, tmp_path: Path) -> None:
    with chromium.new_context(viewport=SMALL_PHONE) as context:
        page = context.new_page()
        open_at(page, f"{served.origin}/verify")
        with page.expect_download() as download:
            page.get_by_role("link", name="Save this page as one file").click()
        assert download.value.suggested_filename == "verify.html"
        file = tmp_path / "verify.html"
        download.value.save_as(file)
        page = context.new_page()
        traffic = Traffic.of(page)
        page.goto(file.as_uri())
        choose(page, "keys", f"{VKEY}\n")
        expect(page.locator("#status")).to_contain_text("Understood.")
        choose(page, "pack.tlog-proof", ONE_PACK)
        expect(verdict(page, HOLDS)).not_to_contain_text("word for it")
        choose(page, "trace.zip", BUNDLE)
        verdict(page, "This bundle holds")
        assert sideways(page) <= 0
        assert {urlsplit(url).scheme for url in traffic.requests} == {"file"}
        traffic.assert_quiet()
        refused = page.evaluate(f"fetch('{served.origin}/logs').then(() => 'sent', (error) => error.name)")
        assert refused == "TypeError"


def test_what_an_event_says_is_shown_as_text(visit: Visit, served: Served) -> None:
    hostile = '</pre><script>document.title=\\"owned\\"</script>\u202e'.encode()
    parts = Parts(
        head=b'{"type":"%s","captured_by":"%s","bizStep":"__proto__","occurred_at":"%s"}' % (hostile, hostile, hostile),
        what=(b'{"list":"epcList","id":"https://id.gs1.org/__proto__/%%/x/' + hostile + b'"}',),
        where=b'{"readPoint":{"id":7},"bizLocation":[]}',
        why=b'{"sourceList":[{"type":7},1,null],"bizTransactionList":{"type":"x"}}',
        how=b'{"sensorElementList":[{"sensorReport":[{"value":"x"},{"type":"a","value":1.50,"uom":"constructor"}]}]}',
        source=b"\xff\x00",
    )
    page = visit.page
    open_page(page, served)
    trust(page, VKEY)
    choose(page, "x", single(stored_event(0, parts), extent=frozenset(PART_NAMES), items=[0]))
    text = verdict(page, HOLDS).inner_text()
    expect(page).to_have_title("Check a receipt")
    assert "<script>" in text
    assert "\u202e" not in text
    assert "\\u202e" in text
    assert "1.50 constructor" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_enough_contrast_and_controls_room(visit: Visit, served: Served, scheme: str) -> None:
    page = visit.page
    page.set_viewport_size(SMALL_PHONE)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    open_page(page, served)
    trust(page, VKEY)
    for content, expected in (
        (BUNDLE, "This bundle holds"),
        (ONE_PACK.replace("index 70", "index 71"), FAILS),
        (ONE_PACK, HOLDS),
    ):
        choose(page, "x", content)
        verdict(page, expected)
        for summary in page.locator("#verdict summary").all():
            summary.click()
        assert page.evaluate(CONTRAST) == []
        heights = page.locator("button:visible, input, textarea:visible, summary, .button").evaluate_all(
            "all => all.map((e) => Math.round(e.getBoundingClientRect().height))"
        )
        assert min(heights) >= 44
        assert sideways(page) <= 0


def test_an_event_that_cannot_be_had_is_told(chromium: Browser, served: Served) -> None:
    # Not by `visit`: Chromium logs a 404 as an error on the console.
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(f"{served.origin}/verify?event=019ca877-0c1b-7000-8000-000000000001")
        expect(verdict(page, "There is no receipt to check")).to_contain_text("There is no such event")


def test_a_server_that_cannot_answer_says_why(chromium: Browser, served: Served) -> None:
    problem = {"status": 503, "headers": {"Retry-After": "0.001"}, "json": {"detail": "The database cannot be reached"}}
    with chromium.new_context() as context:
        page = context.new_page()
        page.route("**/receipt", lambda route: route.fulfill(**problem))
        page.goto(f"{served.origin}/verify?event=019ca877-0c1b-7000-8000-000000000001")
        expect(verdict(page, "There is no receipt to check")).to_contain_text("The database cannot be reached")


def test_another_key_than_the_servers_is_not_its_word(visit: Visit, served: Served) -> None:
    page = visit.page
    open_at(page, served.origin + PACK)
    press(page.get_by_role("link", name="Verify this", exact=True))
    verdict(page, HOLDS)
    trust(page, SigningKey(served.vkey.partition("+")[0], bytes(32)).verifier.text)
    expect(verdict(page, FAILS)).to_contain_text("log.unverified_note")
