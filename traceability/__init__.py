"""A supply-chain traceability engine that anyone can check.

Contexts: `ledger` (events, tags, commitments), `gs1` (identifiers, EPCIS), `notary` (Merkle log, receipts,
offline verification) and `supply_chain` (items, containment, provenance). Nothing here reads a clock, a file, a
socket or randomness; those come through `traceability.ports`.
"""
