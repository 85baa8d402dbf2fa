"""Everything that reads other people's bytes: whatever they are, it takes them in their one spelling or says our error.

A parser is one line of `PARSERS`. FUZZ_COUNT is how many inputs each is given.
"""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.vocabulary_files import read_file
from tests.support.bundles import bundle_of
from tests.support.epcis_events import document, event
from tests.support.logs import KEY, MadeUpLog, pallet_parts, stored_event
from tests.support.mutants import mutants_of_bytes, mutants_of_text
from tests.support.xml_events import xml_document, xml_event
from traceability.errors import InvalidInputError
from traceability.gs1.element_strings import element_string, read_element_string
from traceability.gs1.epcis import read_document
from traceability.gs1.epcis.envelope import open_envelope
from traceability.gs1.epcis.hash.documents import HashMode, hashed_events
from traceability.gs1.epcis.writer import write_event
from traceability.gs1.errors import IdentifierError
from traceability.gs1.reading import read_value
from traceability.ledger.parts import HEAD, HOW, MORE, PART_NAMES, PERSONAL
from traceability.notary.archive import read_archive, write_archive
from traceability.notary.bundle import MANIFEST, Manifest
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.content import check_item, check_part
from traceability.notary.encoding import (
    base64_of,
    bytes_of_base64,
    bytes_of_hex,
    hash_of_base64,
    hash_of_hex,
    number_of,
)
from traceability.notary.errors import VerificationError
from traceability.notary.evidence import Contradiction, Evidence
from traceability.notary.log import prove
from traceability.notary.log_list import ListedLog, encode_log_list, read_log_list
from traceability.notary.multiproof import MultiProof
from traceability.notary.note import CosigningKey, SigningKey, VerifierKey, open_note, split_note
from traceability.notary.policy import Policy, PolicyGroup, PolicyLog, PolicyWitness
from traceability.notary.proof import LogProof
from traceability.notary.receipt import Opening, open_event
from traceability.notary.tiles import Tile, decode_bundle, decode_hashes, encode_bundle, encode_hashes
from traceability.notary.trust import Trust
from traceability.notary.verify import verify, verify_receipt
from traceability.notary.witness import AddCheckpoint

EXAMPLES = int(os.environ.get("FUZZ_COUNT", "100"))
CHECKPOINT = Checkpoint(KEY.name, 20_852_163, bytes(range(32)))
PLACE = "https://id.gs1.org/414/9521234000006"
TABLE = f"id,name,valid_from\r\n{PLACE},Dairy,2026-03-01\r\n".encode()
HEADER_FILE = (
    b'{"vocabularyList":[{"type":"ReadPoint","vocabularyElementList":[{"id":"'
    + PLACE.encode()
    + b'","attributes":[{"id":"cbvmda:name","attribute":"Dairy"}]}]}]}'
)
NOTE = KEY.sign(CHECKPOINT.text())
COSIGNING = CosigningKey("witness.example/w", bytes(32))
WITNESS = COSIGNING.verifier
COSIGNED = NOTE + COSIGNING.cosign(CHECKPOINT.text(), 1_772_352_900).line()
POLICY = Policy(
    (PolicyLog(KEY.verifier, "https://dairy.example/log"),),
    (
        PolicyWitness("w1", WITNESS, "https://witness.example"),
        PolicyWitness("w2", CosigningKey("w2.example", bytes(range(32))).verifier),
    ),
    (PolicyGroup("both", 2, ("w1", "w2")),),
    "both",
)
LISTED = ListedLog(KEY.verifier, KEY.name)
REQUEST = AddCheckpoint(20, (bytes(32), bytes(range(32))), NOTE.encode())
EVIDENCE = Evidence(Contradiction.UNPROVEN, NOTE.encode(), COSIGNED.encode(), REQUEST.proof, 1_772_352_900_000_000)


def _receipts() -> list[bytes]:
    made_up = MadeUpLog()
    made_up.records.extend([stored_event(0), stored_event(1, pallet_parts(4)), stored_event(2)])
    made_up.integrate()
    event = made_up.records[1]
    salts = event.salt, event.personal_salt
    return [
        prove(
            made_up.tiles,
            KEY.verifier,
            1,
            open_event(event.event_id, event.recorded_at, event.parts, *salts, extent=extent, items=items),
        )
        .text()
        .encode()
        for extent, items in (((), ()), (PART_NAMES, range(5)), (["where"], [0, 3]))
    ]


def _bundle_of_two() -> bytes:
    made_up = MadeUpLog()
    made_up.records.extend([stored_event(0), stored_event(1, pallet_parts(4)), stored_event(2)])
    made_up.integrate()
    return bundle_of(made_up, [0, 1], extent=frozenset({"what", "where", "more"}))


EXTENSIONS = (
    "<bizLocation><id>https://id.gs1.org/414/9521234000006</id></bizLocation><extension><quantityList/></extension>"
    '<x:a xmlns:x="https://x.example/" b="&lt;é"><!-- a --><x:b><![CDATA[<]]></x:b><x:b/></x:a>'
)
BUNDLE = _bundle_of_two()
FILES = read_archive(BUNDLE)
RECEIPTS = _receipts()
OPENINGS = [extra for receipt in RECEIPTS if (extra := LogProof.parse(receipt).extra) is not None]
PARTS = pallet_parts(2)
ENTRIES = encode_bundle([bytes(57), b"", b"abc"])


def _note(data: bytes) -> bytes:
    text, signatures = split_note(data)
    return (text + "\n" + "".join(signature.line() for signature in signatures)).encode()


def _opened(data: bytes, read: Callable[..., object]) -> bytes:
    read(data)
    return data


def _gs1(text: str) -> None:
    """One identifier has many spellings: what is compared is its elements."""
    ais = read_value(text).ais
    assert not ais or read_element_string(element_string(ais)) == ais


def _opening(data: bytes) -> None:
    """JSON has many spellings of one opening, so what is compared is what it says."""
    opening = Opening.parse(data)
    assert Opening.parse(opening.encode()) == opening
    opening.shown()
    opening.leaf_hash()


def _receipt(data: bytes) -> None:
    verify_receipt(data, KEY.verifier, [WITNESS]).lines()


def _policy(data: bytes) -> None:
    """Comments and white space have no one spelling."""
    policy = Policy.parse(data)
    assert Policy.parse(policy.encode()) == policy


def _log_list(data: bytes) -> None:
    logs = read_log_list(data)
    assert read_log_list(encode_log_list(logs)) == logs


def _evidence(data: bytes) -> None:
    evidence = Evidence.parse(data)
    assert Evidence.parse(evidence.encode()) == evidence


def _bundle(data: bytes) -> None:
    verify(data, Trust((KEY.verifier,))).lines()


def _bundle_with(name: str, data: bytes) -> None:
    """Read a bundle whose zip is sound and one of whose files is not."""
    out = BytesIO()
    write_archive(out, [(one, [data if one == name else content]) for one, content in FILES.items()])
    _bundle(out.getvalue())


def _manifest(data: bytes) -> None:
    manifest = Manifest.parse(data)
    assert Manifest.parse(manifest.encode()) == manifest


def _multiproof(data: bytes) -> bytes:
    proof = MultiProof.parse(data)
    with suppress(VerificationError):
        proof.root([bytes(32)] * len(proof.indices))
    return proof.encode()


def _epcis(data: bytes) -> None:
    """No document raises; what is read of it can be shown."""
    for one in read_document(data, captured_by="dairy.example").events:
        write_event(one.event.parts, 0)


def _master_data(data: bytes) -> None:
    with suppress(InvalidInputError):
        for element in read_file(data, vocabulary="ReadPoint")[0].elements:
            element.event("dairy.example", 0)


def _hashed(data: bytes) -> None:
    for mode in HashMode:
        for one in hashed_events(open_envelope(BytesIO(data)), lambda b: data[b.offset : b.offset + b.size], mode):
            assert (one.hash is None) == (one.problem is not None)


@dataclass(frozen=True)
class Parser:
    """What a parser takes, and how what it accepts is spelled again: None when it has no one spelling."""

    respell: Callable[[Any], object]
    valid: Sequence[Any]

    def mutants(self) -> st.SearchStrategy[Any]:
        return mutants_of_text(self.valid) if isinstance(self.valid[0], str) else mutants_of_bytes(self.valid)


PARSERS: dict[str, Parser] = {
    "number": Parser(lambda x: str(number_of(x, "it")), ["0", "17", str(2**63 - 1)]),
    "base64": Parser(lambda x: base64_of(bytes_of_base64(x, "it")), ["", "AAEC", "AA==", "+/8="]),
    "base64 hash": Parser(lambda x: base64_of(hash_of_base64(x, "it")), [base64_of(bytes(range(32)))]),
    "hexadecimal": Parser(lambda x: bytes_of_hex(x, "it").hex(), ["", "00ff", "0a"]),
    "hexadecimal hash": Parser(lambda x: hash_of_hex(x, "it").hex(), [bytes(range(32)).hex()]),
    "master data": Parser(_master_data, [TABLE, HEADER_FILE]),
    "note": Parser(_note, [NOTE.encode(), COSIGNED.encode()]),
    "note with keys": Parser(
        partial(_opened, read=lambda x: open_note(x, [KEY.verifier, WITNESS])), [NOTE.encode(), COSIGNED.encode()]
    ),
    "checkpoint": Parser(lambda x: Checkpoint.parse(x).text(), [CHECKPOINT.text(), CHECKPOINT.text() + "more\n"]),
    "signed checkpoint": Parser(
        partial(_opened, read=lambda x: open_checkpoint(x, KEY.verifier, [WITNESS])), [NOTE.encode(), COSIGNED.encode()]
    ),
    "verifier key": Parser(lambda x: VerifierKey.parse(x).text, [KEY.verifier.text, WITNESS.text]),
    "signing key": Parser(lambda x: SigningKey.parse(x).text, [KEY.text]),
    "proof": Parser(lambda x: LogProof.parse(x).text().encode(), RECEIPTS),
    "opening": Parser(_opening, OPENINGS),
    "receipt": Parser(_receipt, RECEIPTS),
    "head": Parser(partial(check_part, HEAD), [PARTS.head]),
    "how": Parser(partial(check_part, HOW), [PARTS.how]),
    "more": Parser(partial(check_part, MORE), [PARTS.more]),
    "personal": Parser(partial(check_part, PERSONAL), [PARTS.personal]),
    "item": Parser(check_item, PARTS.what),
    "cosigning key": Parser(lambda x: CosigningKey.parse(x).text, [COSIGNING.text]),
    "policy": Parser(_policy, [POLICY.encode(), POLICY.encode() + b"# why\n"]),
    "list of logs": Parser(_log_list, [encode_log_list([LISTED, replace(LISTED, origin="dairy.example/other")])]),
    "request to a witness": Parser(lambda x: AddCheckpoint.parse(x).encode(), [REQUEST.encode()]),
    "evidence": Parser(_evidence, [EVIDENCE.encode()]),
    "zip of a bundle": Parser(partial(_opened, read=read_archive), [BUNDLE]),
    "bundle": Parser(_bundle, [BUNDLE]),
    "manifest of a bundle": Parser(_manifest, [FILES[MANIFEST]]),
    "multi-proof": Parser(_multiproof, [content for name, content in FILES.items() if name.endswith(".proof")]),
    **{f"{name} in a bundle": Parser(partial(_bundle_with, name), [content]) for name, content in FILES.items()},
    "GS1 identifier": Parser(
        _gs1,
        [
            "^010952123400001310L1^211001",
            "(01)09521234000013(10)L1",
            "https://dairy.example/01/09521234000013/10/L1?17=271231",
            "]E09521234000013|]e010L1",
            "urn:epc:idpat:itip:9521234.000001.*.*.*",
            "urn:epc:id:adi:W81X9C.3KL984PX1.2WMA52",
        ],
    ),
    "tile path": Parser(
        lambda x: Tile.parse(x).path, ["tile/0/x001/x234/067", "tile/entries/000.p/255", "tile/63/999.p/1"]
    ),
    "tile": Parser(lambda x: encode_hashes(decode_hashes(x, 2)), [bytes(64)]),
    "EPCIS": Parser(_epcis, [document(event()), b"[" + document(event()) + b"]"]),
    "EPCIS in XML": Parser(
        _epcis, [xml_document(xml_event(EXTENSIONS), version=version) for version in ("1.2", "2.0")]
    ),
    "events to be hashed": Parser(
        partial(_opened, read=_hashed), [document(event()), xml_document(xml_event(EXTENSIONS))]
    ),
    "entry bundle": Parser(lambda x: encode_bundle(decode_bundle(x, 3)), [ENTRIES]),
}


@pytest.mark.parametrize("name", PARSERS)
def test_what_is_valid_is_accepted(name: str) -> None:
    parser = PARSERS[name]
    for value in parser.valid:
        assert parser.respell(value) in (None, value)


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
@settings(max_examples=EXAMPLES)
def test_other_peoples_bytes_are_refused_with_our_error(name: str, data: st.DataObject) -> None:
    parser = PARSERS[name]
    value = data.draw(parser.mutants())
    try:
        spelled = parser.respell(value)
    except (VerificationError, IdentifierError) as error:
        error.diagnostics().encode()  # can be shown, whatever the bytes were
    else:
        assert spelled in (None, value)


MEGABYTE = 1 << 20
LARGE = {
    "one byte": b"A" * MEGABYTE,
    "newlines": b"\n" * MEGABYTE,
    "brackets": b"[" * MEGABYTE,
    "digits": b"9" * MEGABYTE,
    "lines of base64": (base64_of(bytes(32)) + "\n").encode() * (MEGABYTE // 45),
    "empty entries": bytes(MEGABYTE),
    "members": b"{" + b'"a":1,' * (MEGABYTE // 6) + b'"b":1}',
    "signatures": NOTE.encode() + "— a AAAAAAA=\n".encode() * (MEGABYTE // 15),
    "path": b"tile/0/" + b"x001/" * (MEGABYTE // 5) + b"001",
}


@pytest.mark.parametrize("name", PARSERS)
def test_a_megabyte_of_anything_takes_memory_in_proportion(name: str) -> None:
    parser = PARSERS[name]
    for what, content in LARGE.items():
        beginning = parser.valid[0]
        large = content.decode() if isinstance(beginning, str) else content
        for value in (large, beginning + large):
            tracemalloc.start()
            try:
                with suppress(VerificationError, IdentifierError):
                    parser.respell(value)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert peak < 40 * MEGABYTE, what
