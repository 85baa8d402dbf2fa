"""docs/guide/settings.md lists every setting as `api.settings` defines it, and no document names another."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import SecretStr

from api.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guide" / "settings.md"
OF_THE_TESTS = {"TRACEABILITY_FIXTURES", "TRACEABILITY_CITUS_URL", "TRACEABILITY_SCREENSHOTS"}
OF_THE_LAUNCHER = {"TRACEABILITY_POSTGRES_BIN"}


def defined() -> dict[str, tuple[str, str]]:
    """Return for each variable its default as a reader would write it, and what it is for."""
    return {
        f"{PREFIX}{name}".upper(): ("" if _is_unset(field.default) else f"`{field.default}`", field.description or "")
        for name, field in Settings.model_fields.items()
    }


def _is_unset(default: object) -> bool:
    return default is None or isinstance(default, SecretStr)


def test_the_page_lists_every_setting() -> None:
    rows = re.findall(r"^\| `(TRACEABILITY_\w+)` \| (.*?) ?\| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    wanted = "\n".join(f"| `{name}` | {default} | {words} |" for name, (default, words) in defined().items())
    assert {name: (default, words) for name, default, words in rows} == defined(), f"the rows should be\n{wanted}"


def test_no_document_names_a_setting_that_does_not_exist() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    named = {name for path in documents for name in re.findall(r"\bTRACEABILITY_[A-Z_]+\b", path.read_text())}
    assert named - OF_THE_TESTS - OF_THE_LAUNCHER <= set(defined())
