"""Content digests are on disk as the identity of events without eventID: their bytes never change."""

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.epcis_events import CONTEXT, LOT, PACK, PARTY, PLACE, parts
from traceability.gs1.epcis import content_digest
from traceability.gs1.epcis.digest import _encoded, _head, _item, _normal
from traceability.gs1.epcis.strict_json import loads
from traceability.ledger.parts import ITEM_LISTS

EVERYTHING = f"""{{
 "type": "ObjectEvent", "action": "ADD", "bizStep": "commissioning", "eventTimeZoneOffset": "+01:00",
 "eventTime": "2026-03-01T09:15:00.1234567+05:30", "recordTime": "2026-03-01T09:20:00Z",
 "epcList": ["{PACK}", "urn:epc:id:sgtin:9521234.000001.a%2Fb", "https://dairy.example/things/é"],
 "quantityList": [
  {{"epcClass": "{LOT}", "quantity": 4.50, "uom": "KGM"}}, {{"epcClass": "{LOT}"}},
  {{"epcClass": "{LOT}", "quantity": 12}}
 ],
 "readPoint": {{"id": "{PLACE}", "x:gate": -0}}, "sourceList": [{{"type": "owning_party", "source": "{PARTY}"}}],
 "ilmd": {{"cbvmda:lotNumber": "A7", "x:share": 0.25, "x:count": 1E2, "x:sound": true, "x:none": null}},
 "sensorElementList": [
  {{"sensorReport": [{{"type": "Temperature", "value": 4.10, "time": "2026-03-01T09:15:00+01:00"}}]}}
 ],
 "x:note": {{"x:deep": [1, 2.50, "3", 12345678901234567890123]}}
}}"""  # fmt: skip


def test_the_digest_of_this_event_stays_what_it_is() -> None:
    made = content_digest(parts(EVERYTHING, context=[CONTEXT, {"x": "https://x.example/"}]))
    assert made.hex() == "12e51be278b53447165366d338446cacee1679cc4e6e14f0a5ceffa6cc6eca0f"


@given(st.sampled_from(ITEM_LISTS), st.text(), st.sampled_from(["", ',"quantity":4.10', ',"quantity":7,"uom":"KGM"']))
@example("epcList", "https://dairy.example/things/é", "")
@example("epcList", '"', "")
@example("epcList", "\\", "")
def test_an_item_is_turned_as_if_it_were_read(field: str, text: str, measure: str) -> None:
    item = b'{"list":"%b","id":%b%b}' % (field.encode(), orjson.dumps(text), measure.encode())
    assert _item(item) == _encoded(_normal(loads(item), ""))


@given(st.dictionaries(st.sampled_from(["type", "occurred_at", "bizStep", "set", "some time"]), st.text()))
@example({"occurred_at": "2026-03-01T08:15:00.000000Z", "bizStep": "some time"})
@example({"occurred_at": "some time", "bizStep": "2026-03-01T08:15:00.000000Z"})
@example({"bizStep": '"occurred_at":"1"', "occurred_at": "1"})
@example({"type": "epcis.object_event.v2", "occurred_at": "2026-03-01T08:15:00.000000Z", "action": "OBSERVE"})
def test_a_head_is_written_as_if_its_time_were_read(members: dict[str, str]) -> None:
    head = orjson.dumps(members)
    assert _head(head) == _encoded(_normal(loads(head), ""))
