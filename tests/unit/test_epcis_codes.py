"""The guides name every code that a problem or a finding may have, and no other."""

import re
from pathlib import Path

from api.capture.processes import WORKERS_DIED
from traceability.ledger.findings import CONFLICT, DUPLICATE, MORE_MALFORMED

ROOT = Path(__file__).parents[2]


def codes_in(folder: str, pattern: str) -> set[str]:
    sources = "".join(path.read_text() for path in (ROOT / folder).rglob("*.py"))
    return set(re.findall(pattern, sources))


def listed_in(guide: str) -> list[str]:
    return re.findall(r"^\| `([a-z0-9_.]+)` \|", (ROOT / "docs/guide" / guide).read_text(), re.MULTILINE)


def test_the_guide_lists_the_codes() -> None:
    raised = codes_in("traceability/gs1/epcis", r'"((?:epcis|json|xml)\.[a-z_]+)"') - {"epcis.personal"}
    assert sorted(raised) == sorted(listed_in("epcis.md"))


def test_the_guide_of_findings_lists_the_others() -> None:
    ends = codes_in("api/capture", r'_give_up\("(capture\.[a-z_]+)"') | {WORKERS_DIED}
    assert len(ends) > 2
    assert sorted(ends | {CONFLICT, DUPLICATE, MORE_MALFORMED}) == sorted(listed_in("findings.md"))


def test_the_guide_of_findings_names_every_refusal() -> None:
    guide = (ROOT / "docs/guide/findings.md").read_text()
    raised = codes_in("api", r'code="(finding\.[a-z_]+)"') | codes_in("adapters", r'code="(finding\.[a-z_]+)"')
    assert len(raised) > 4
    of_commands = {"finding.file", "finding.no_event", "finding.too_long"}
    assert {code for code in raised - of_commands if f"`{code}`" not in guide} == set()
