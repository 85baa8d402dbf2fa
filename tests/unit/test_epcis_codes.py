"""The guide names every code that a problem may have, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_guide_lists_the_codes() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "traceability/gs1/epcis").glob("*.py"))
    raised = set(re.findall(r'"((?:epcis|json)\.[a-z_]+)"', sources)) - {"epcis.personal"}
    listed = re.findall(r"^\| `([a-z_.]+)` \|", (ROOT / "docs/guide/epcis.md").read_text(), re.MULTILINE)
    assert sorted(raised) == sorted(listed)
