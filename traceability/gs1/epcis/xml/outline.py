"""The outline of an XML document: what is around its events, as JSON would say it, and where the events lie.

Events lie in the EventList of an EPCISDocument or of an EPCISQueryDocument, plain or in a SOAP envelope, or the
document is one event. EPCIS 1.2 wraps some of them in `extension` elements, which are passed over. A document of
master data alone, an EPCISMasterDataDocument, is a document without events.

A document of any length is outlined in constant memory, as JSON is (`outline`): its events are not parsed, only
measured by their tags. What is around them is then parsed by itself, with an empty EventList, and each event under
the namespaces that are in scope in that list, so nothing of a document goes by without having met a parser.
"""

from __future__ import annotations

from io import BytesIO
from typing import Final, Protocol

from traceability.gs1.epcis.blocks import MAX_VALUE_BYTES, Block, EventList, Outline, Readable
from traceability.gs1.epcis.strict_json import JSON
from traceability.gs1.epcis.xml.header import header_of, master_data_of
from traceability.gs1.epcis.xml.markup import SPACE, Markup, Tag, XmlTextError, too_long
from traceability.gs1.epcis.xml.tree import DEFAULT, Element, local_name, name_of, parse
from traceability.gs1.epcis.xml.value import extension

_EVENT_LIST: Final = b"EventList"
_WRAPPER: Final = b"extension"
_DOCUMENT: Final = "EPCISDocument"
_QUERY_DOCUMENT: Final = "EPCISQueryDocument"
_MASTER_DATA_DOCUMENT: Final = "EPCISMasterDataDocument"
_IN_DOCUMENT: Final = "$.epcisBody.eventList"
_IN_QUERY_DOCUMENT: Final = "$.epcisBody.queryResults.resultsBody.eventList"
_MOST_OPEN: Final = 256
_ENVELOPE: Final = ("Envelope", "Body")
# Some writers leave out a wrapper of the query document.
_WAYS: Final = {
    (_DOCUMENT, "EPCISBody"): _DOCUMENT,
    (_QUERY_DOCUMENT, "EPCISBody", "QueryResults", "resultsBody"): _QUERY_DOCUMENT,
    (_QUERY_DOCUMENT, "EPCISBody", "resultsBody"): _QUERY_DOCUMENT,
    (_QUERY_DOCUMENT, "resultsBody"): _QUERY_DOCUMENT,
    (*_ENVELOPE, "QueryResults", "resultsBody"): _QUERY_DOCUMENT,
    (*_ENVELOPE, _QUERY_DOCUMENT, "EPCISBody", "QueryResults", "resultsBody"): _QUERY_DOCUMENT,
}


def outline_of_xml(document: Readable) -> Outline:
    """Outline a document, with `members` as those of its JSON twin; raises `XmlTextError`.

    `@context` holds the namespaces in scope where the events are, by prefix; the default one under the empty prefix.
    """
    markup = Markup(document)
    outline = Outline()
    around = bytearray()
    open_names: list[bytes] = []
    found_root = False
    while (found := markup.next_tag()) is not None:
        between, tag = found
        around += between
        if not open_names:
            if found_root or between.strip(SPACE) or tag.kind == "end":
                raise markup.error("one element", markup.tag_start)
            found_root = True
            if tag.local.endswith(b"Event"):
                _outline_event(markup, tag, outline)
                continue
        around += markup.data[markup.tag_start : markup.at]
        if len(around) > MAX_VALUE_BYTES:
            raise too_long()
        if tag.kind == "start" and tag.local == _EVENT_LIST:
            # Whether the list is where one belongs is seen when all that is around it is there (`_read_around`).
            path = _IN_DOCUMENT if open_names and open_names[0].endswith(b"EPCISDocument") else _IN_QUERY_DOCUMENT
            gathered = EventList(markup, outline, path)
            around += find_events(markup, gathered, tag.name)
            gathered.flush()
        else:
            _keep_open(markup, tag, open_names)
    if open_names or not found_root:
        raise markup.error(f"</{open_names[-1].decode(errors='replace')}>" if open_names else "an element")
    if around:
        _read_around(bytes(around), outline)
    outline.size = markup.offset(markup.at)
    return outline


def _keep_open(markup: Markup, tag: Tag, open_names: list[bytes]) -> None:
    """Keep the names of the elements that are open."""
    if tag.kind == "start":
        open_names.append(tag.name)
        if len(open_names) > _MOST_OPEN:
            raise XmlTextError(f"Elements are nested more than {_MOST_OPEN} deep.", code="xml.depth")
    elif tag.kind == "end" and open_names.pop() != tag.name:
        raise markup.error("the end of another element", markup.tag_start)


class Gathering(Protocol):
    """Told where events lie, as positions in the data of the document on its way."""

    def begin(self, at: int) -> None:
        """Take note of an event's beginning."""
        ...

    def end(self, at: int) -> None:
        """Take note of an event's end."""
        ...


def find_events(markup: Markup, gathering: Gathering, event_list: bytes | None) -> bytes:
    """Find the events up to the end tag of `event_list`, and return that; None: up to the end of a block."""
    wrapped = 0
    while (found := markup.next_tag()) is not None:
        between, tag = found
        if between.strip(SPACE):
            raise markup.error("an event", markup.tag_start)
        if tag.kind == "end":
            if tag.name == event_list and not wrapped:
                return markup.data[markup.tag_start : markup.at]
            # A block may begin inside a wrapper.
            wrapped -= 1
            if tag.local != _WRAPPER or (event_list is not None and wrapped < 0):
                raise markup.error("an event", markup.tag_start)
        elif tag.local == _WRAPPER and tag.kind == "start" and not tag.attributes.strip(SPACE):
            wrapped += 1
        else:
            _event(markup, tag, gathering)
    if event_list is not None:
        raise markup.error(f"</{event_list.decode(errors='replace')}>")
    return b""


class _Spans:
    """Where the events of a block lie in it."""

    def __init__(self, markup: Markup) -> None:
        self.found: list[tuple[int, int]] = []
        self._markup = markup
        self._start = 0

    def begin(self, at: int) -> None:
        self._start = self._markup.offset(at)

    def end(self, at: int) -> None:
        self.found.append((self._start, self._markup.offset(at)))


def spans_of_xml(block: bytes) -> list[tuple[int, int]]:
    """Return where each event of a block begins and ends, by the rules by which the block was outlined."""
    markup = Markup(BytesIO(block))
    spans = _Spans(markup)
    find_events(markup, spans, None)
    return spans.found


def _event(markup: Markup, tag: Tag, gathering: Gathering) -> None:
    gathering.begin(markup.tag_start)
    if tag.kind == "start":
        markup.step_past_element(tag.name)
    gathering.end(markup.at)


def _outline_event(markup: Markup, tag: Tag, outline: Outline) -> None:
    """Outline a document that is one event."""
    start, place = markup.offset(markup.tag_start), markup.place(markup.tag_start)
    if tag.kind == "start":
        markup.step_past_element(tag.name)
    outline.blocks.append(Block(start, markup.offset(markup.at) - start, 1, 0, "$", None, place))


def _read_around(around: bytes, outline: Outline) -> None:
    root = parse(around)
    members: dict[str, JSON] = {}
    lists = [element for element in root.iter() if local_name(element) == "EventList"]
    document = root
    way: tuple[str, ...] = ()
    if lists:
        way = tuple(local_name(element) for element in reversed([*lists[0].iterancestors()]))
        outline.lists = [_IN_DOCUMENT for _ in lists]
        members["@context"] = {prefix or DEFAULT: uri for prefix, uri in lists[0].nsmap.items()}
    kind = _WAYS.get(way)
    if local_name(root) == _MASTER_DATA_DOCUMENT and not lists:
        members |= {"type": _DOCUMENT, "epcisBody": {"eventList": True}}
        outline.lists = [_IN_DOCUMENT]
    elif kind is None or len(lists) > 1:
        outline.blocks.clear()
        outline.lists.clear()
        members["type"] = local_name(root)
        members["epcisBody"] = {}
    else:
        members["type"] = kind
        document = next((e for e in root.iter() if local_name(e) == kind), root)
        members["epcisBody"] = {"eventList": True} if kind == _DOCUMENT else {"queryResults": _results(document)}
    for name in ("schemaVersion", "creationDate"):
        if (text := document.get(name)) is not None:
            members[name] = text.strip()
    for element in document:
        name = name_of(element.tag)
        if name == "EPCISHeader":
            members["epcisHeader"] = header_of(element)
        elif name == "EPCISBody" and document.tag.endswith(_MASTER_DATA_DOCUMENT):
            # JSON has no such document: there master data lies in the header (EPCIS 2.0 §10.1).
            members["epcisHeader"] = {**members.get("epcisHeader", {}), "epcisMasterData": master_data_of(element)}
        elif ":" in name:
            members[name] = extension(element)
    outline.members = members


def _results(document: Element) -> dict[str, JSON]:
    """Return the queryResults of a query document."""
    found: dict[str, JSON] = {"resultsBody": {"eventList": True}}
    for element in document.iter("queryName", "subscriptionID"):
        found[element.tag] = (element.text or "").strip()
    return found
