"""A skipped test fails the run, unless tests/skips.toml lists its reason and the condition holds here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

ROOT = Path(__file__).parents[2]
SUMDB = Path("/usr/share/gocode/src/golang.org/x/mod/sumdb")  # where Debian's golang-golang-x-mod-dev puts it


def _fixtures_absent() -> bool:
    folder = os.environ.get("TRACEABILITY_FIXTURES") or ROOT / "../shared/fixtures"
    return not Path(folder).is_dir()


def _mounts_nothing() -> bool:
    if shutil.which("mount") is None:
        return True
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=False, capture_output=True)
        if mounted.returncode == 0:
            subprocess.run(["umount", folder], check=True)
        return mounted.returncode != 0


CONDITIONS: Mapping[str, Callable[[], bool]] = {
    "not-root": lambda: os.geteuid() != 0,
    "root": lambda: os.geteuid() == 0,
    "no-fixtures": _fixtures_absent,
    "no-mounts": _mounts_nothing,
    "no-cluster": lambda: not os.environ.get("TRACEABILITY_CITUS_URL"),
    "cluster": lambda: bool(os.environ.get("TRACEABILITY_CITUS_URL")),
    "no-chromium": lambda: shutil.which("chromium") is None,
    "no-openssl": lambda: shutil.which("openssl") is None,
    "old-python": lambda: sys.version_info < (3, 12),
    "no-go": lambda: shutil.which("go") is None or not SUMDB.is_dir(),
}


@dataclass(frozen=True, slots=True)
class ListedSkip:
    reason: re.Pattern[str]
    condition: str
    why: str

    @classmethod
    def parse(cls, row: Mapping[str, str]) -> ListedSkip:
        if set(row) != {"reason", "condition", "why"} or not all(row.values()):
            raise pytest.UsageError(f"skips.toml: an entry has reason, condition and why, this one has {dict(row)}")
        if row["condition"] not in CONDITIONS:
            raise pytest.UsageError(f"skips.toml: {row['condition']!r} is none of {', '.join(CONDITIONS)}")
        return cls(re.compile(row["reason"]), row["condition"], row["why"])


def read_list(path: Path) -> tuple[ListedSkip, ...]:
    with path.open("rb") as file:
        return tuple(ListedSkip.parse(row) for row in tomllib.load(file).get("skip", []))


def objection(reason: str, listed: tuple[ListedSkip, ...]) -> str | None:
    """Return why this skip is not allowed here, or None when it is."""
    matching = [entry for entry in listed if entry.reason.search(reason)]
    if not matching:
        return f"skipped for a reason that tests/skips.toml does not list: {reason}"
    if not any(CONDITIONS[entry.condition]() for entry in matching):
        conditions = " or ".join(entry.condition for entry in matching)
        return f"skipped though {conditions} does not hold here: {reason}"
    return None


class SkipGate:
    def __init__(self, listed: tuple[ListedSkip, ...]) -> None:
        self._listed = listed

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self._judge(report)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        self._judge(report)
        return report

    def _judge(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        _path, _line, text = cast("tuple[str, int, str]", report.longrepr)
        if complaint := objection(text.removeprefix("Skipped: "), self._listed):
            report.outcome = "failed"
            report.longrepr = complaint


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("listed_skips", "file of the skips that a run may contain", type="paths", default=[])


def pytest_configure(config: pytest.Config) -> None:
    listed = tuple(entry for path in config.getini("listed_skips") for entry in read_list(path))
    config.pluginmanager.register(SkipGate(listed), "listed-skips-gate")
