"""`python -m tests.conformance.golden --write` writes the golden files anew from what the code makes now.

A change of a golden file is a change of what goes onto the ledger, and what is there can never be changed.
"""

import sys

from tests.conformance.golden.epcis import EVENTS, FIXTURES, hand_made, hand_made_text, rendered, stored_parts

if sys.argv[1:] != ["--write"]:
    sys.exit(__doc__)
FIXTURES.write_text(rendered(stored_parts()))
for document in hand_made():
    (EVENTS / f"{document.stem}.parts").write_text(hand_made_text(document))
print(f"{FIXTURES.name} and {len(hand_made())} hand-made documents", file=sys.stderr)
