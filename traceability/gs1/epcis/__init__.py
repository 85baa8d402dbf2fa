"""EPCIS 2.0 events: read from documents, cut into the parts that the ledger commits to, indexed, and shown again."""

from traceability.gs1.epcis.digest import content_digest
from traceability.gs1.epcis.document import CapturedEvent, Document, read_document
from traceability.gs1.epcis.event import TYPE_NAMES
from traceability.gs1.epcis.index import index_rows, lot_numbers
from traceability.gs1.epcis.index_hashes import hashed_rows
from traceability.gs1.epcis.letter import place_in, read_letter
from traceability.gs1.epcis.problems import Problem
from traceability.gs1.epcis.view import EpcisView, ErrorDeclaration, Item, view_of

__all__ = [
    "TYPE_NAMES",
    "CapturedEvent",
    "Document",
    "EpcisView",
    "ErrorDeclaration",
    "Item",
    "Problem",
    "content_digest",
    "hashed_rows",
    "index_rows",
    "lot_numbers",
    "place_in",
    "read_document",
    "read_letter",
    "view_of",
]
