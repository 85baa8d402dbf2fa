"""What holds for the repository as a whole: its words, its lock, its documents and the two commands of the README."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_MODULE = 450


def tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return sorted(path for name in listing.split("\0") if name and (path := ROOT / name).is_file())


def text_of(path: Path) -> str:
    """Return the text of a file, or nothing for a picture."""
    data = path.read_bytes()
    return "" if b"\0" in data else data.decode()


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# Put together here, so that this file does not contain what it looks for.
REGISTRIES = re.compile(
    "|".join((r"pypi\.o" + "rg", r"pythonhos" + "ted", r"registry\.np" + "mjs", r"deb\.deb" + "ian"))
)
HOMES = re.compile(r"(?<![a-z.])/(?:" + "|".join(("wo" + "rk", "tm" + "p", "ro" + "ot", "ho" + "me")) + r")/[\w.]")


@pytest.mark.parametrize(("what", "pattern"), [("a package registry", REGISTRIES), ("a folder of one machine", HOMES)])
def test_no_file_names(what: str, pattern: re.Pattern[str]) -> None:
    found = [
        f"{named(path)}:{number}: {line.strip()[:100]}"
        for path in tracked()
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not found, f"{what} is named in\n" + "\n".join(found)


def test_the_patterns_find_what_they_look_for() -> None:
    assert REGISTRIES.search("https://py" + "pi.org/simple")
    assert HOMES.search("open('/ro" + "ot/x')")
    assert HOMES.search("cd /tm" + "p/x")
    assert not HOMES.search("https://example.com/ho" + "me/x")


def test_modules_are_short() -> None:
    lengths = {named(path): len(text_of(path).splitlines()) for path in tracked() if path.suffix == ".py"}
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_only_the_postgres_adapter_speaks_sql() -> None:
    statement = re.compile(
        r"\b(SELECT\s+[\w*(.,\s\"]+\s+FROM|INSERT\s+INTO|UPDATE\s+[\w.\"]+\s+SET|DELETE\s+FROM|CREATE\s+TABLE|COPY\s+\w+)\b"
    )
    speakers = {named(path) for path in tracked() if path.suffix == ".py" and statement.search(text_of(path))}
    allowed = ("adapters/postgres/", "tests/")
    assert [name for name in speakers if not name.startswith(allowed)] == []
    assert any(name.startswith("adapters/postgres/") for name in speakers), "the pattern finds nothing"


def test_browser_tests_wait_for_what_they_look_for() -> None:
    """What a page shows at this instant is the old page's on a slow machine; `expect` and `press` wait."""
    hasty = re.compile(r"assert .*\.(is_visible|is_hidden|inner_text|all_inner_texts|get_attribute|title)\(")
    found = [
        f"{named(path)}:{number}: {line.strip()}"
        for path in sorted((ROOT / "tests/browser").glob("*.py"))
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if hasty.search(line)
    ]
    assert found == []


def requirements() -> list[str]:
    """Return the requirements of the lock, each with its continuation lines joined."""
    joined = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def test_every_locked_requirement_is_one_version_with_hashes_and_no_address() -> None:
    pinned = re.compile(r"[a-z0-9][a-z0-9-]*==\S+( ; [^;]+?)?( +--hash=sha256:[0-9a-f]{64})+ *")
    assert len(requirements()) > 50
    assert [line.split()[0] for line in requirements() if not pinned.fullmatch(line)] == []
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_the_lock_covers_what_the_project_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["embedded"],
        *project["dependency-groups"]["dev"],
    ]
    locked = {line.partition("==")[0] for line in requirements()}
    names = {re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-") for requirement in wanted}
    assert names - locked == set()


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*?## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_every_make_command_in_the_documents_exists(document: str) -> None:
    commands = set(re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", (ROOT / document).read_text(), re.MULTILINE))
    mentioned = {first or second for first, second in commands}
    assert mentioned
    assert mentioned <= make_targets()


def test_make_help_names_every_target() -> None:
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert set(re.findall(r"^  make ([a-z-]+) ", shown, re.MULTILINE)) == make_targets()
    assert {"help", "install", "demo", "test", "faults", "bench", "bench-long", "lint"} <= make_targets()


@pytest.mark.parametrize("document", [path for path in tracked() if path.suffix == ".md"], ids=named)
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


ADRS = sorted(path for path in (ROOT / "docs" / "adr").glob("*.md") if path.name != "README.md")


def test_the_index_of_decisions_is_complete() -> None:
    rows = re.findall(r"^\| \[(\d{4})\]\((\S+?)\) \| (.+?) \|", (ROOT / "docs/adr/README.md").read_text(), re.MULTILINE)
    titles = {path.name: path.read_text().splitlines()[0] for path in ADRS}
    assert {name: f"# {number}: {title}" for number, name, title in rows} == titles
    assert [int(path.name[:4]) for path in ADRS] == list(range(1, len(ADRS) + 1))


@pytest.mark.parametrize("record", ADRS, ids=named)
def test_a_decision_has_the_form(record: Path) -> None:
    headings = re.findall(r"^## (.+)$", record.read_text(), re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequences", "Alternatives", "Held by"]
    decision = record.read_text().partition("## Decision")[2].partition("##")[0].strip()
    assert len(re.findall(r"\.(?=\s|$)", decision)) == 1, "a decision is one sentence"


def test_the_changelog_keeps_its_form() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    assert lines[0] == "# Changelog"
    releases = [line for line in lines if line.startswith("## ")]
    assert releases[0] == "## [Unreleased]"
    assert all(re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", line) for line in releases[1:])
    kinds = {"### Added", "### Changed", "### Deprecated", "### Removed", "### Fixed", "### Security"}
    assert {line for line in lines if line.startswith("### ")} <= kinds


VERIFIER_LOADS = """
import sys
import traceability.notary.verify
print(*sorted(sys.modules))
"""
FRAMEWORKS = {
    "adapters",
    "api",
    "eventsourcing",
    "fastapi",
    "httpx",
    "msgspec",
    "orjson",
    "psycopg",
    "pydantic",
    "typer",
}


def test_the_verifier_loads_the_commitment_and_no_framework() -> None:
    run = subprocess.run([sys.executable, "-c", VERIFIER_LOADS], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    loaded = set(run.stdout.split())
    assert loaded & FRAMEWORKS == set()
    of_the_ledger = {name for name in loaded if name.startswith("traceability.ledger.")}
    assert of_the_ledger <= {"traceability.ledger.commitment", "traceability.ledger.parts"}


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("verifier", set()),
        ("answer_verifier", set()),
        ("bundle_verifier", {"tests.conformance.verifier", "tests.conformance.answer_verifier"}),
    ],
)
def test_the_independent_verifiers_are_short_and_import_nothing_of_ours(name: str, own: set[str]) -> None:
    source = (ROOT / "tests" / "conformance" / f"{name}.py").read_text()
    nodes = list(ast.walk(ast.parse(source)))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    outside = {name.partition(".")[0] for name in imported - own} - sys.stdlib_module_names
    assert outside <= {"cryptography"}
    assert len(source.splitlines()) <= 160
