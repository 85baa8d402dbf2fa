"""The gate that keeps a test from being skipped unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugins.listed_skips import CONDITIONS, read_list

LIST = """
[[skip]]
reason = "no .* cluster"
condition = "no-cluster"
why = "none is set up"
"""


def run(pytester: pytest.Pytester, test: str, skips: str = LIST) -> pytest.RunResult:
    pytester.makefile(".toml", skips=skips)
    pytester.makeini("[pytest]\nlisted_skips = skips.toml\n")
    pytester.makepyfile(test)
    return pytester.runpytest_inprocess("-p", "tests.plugins.listed_skips")


@pytest.fixture
def without_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACEABILITY_CITUS_URL", raising=False)


@pytest.mark.usefixtures("without_cluster")
def test_a_listed_skip_passes_where_its_condition_holds(pytester: pytest.Pytester) -> None:
    result = run(pytester, "import pytest\ndef test_it():\n    pytest.skip('no Citus cluster')")
    result.assert_outcomes(skipped=1)
    assert result.ret == pytest.ExitCode.OK


def test_a_listed_skip_fails_where_its_condition_does_not_hold(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACEABILITY_CITUS_URL", "postgresql://coordinator/db")
    result = run(pytester, "import pytest\ndef test_it():\n    pytest.skip('no Citus cluster')")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*skipped though no-cluster does not hold here: no Citus cluster*"])


@pytest.mark.parametrize(
    ("test", "outcome"),
    [
        ("import pytest\ndef test_it():\n    pytest.skip('too slow')", "failed"),
        ("import pytest\n@pytest.mark.skip('too slow')\ndef test_it(): ...", "errors"),
        ("import pytest\n@pytest.mark.skipif(True, reason='too slow')\ndef test_it(): ...", "errors"),
        ("import pytest\npytest.skip('too slow', allow_module_level=True)", "errors"),
        ("import unittest\nclass T(unittest.TestCase):\n    def test_it(self): self.skipTest('too slow')", "failed"),
        ("import pytest\n@pytest.fixture\ndef x(): pytest.skip('too slow')\ndef test_it(x): ...", "errors"),
    ],
    ids=["in the test", "mark", "skipif", "module", "unittest", "fixture"],
)
@pytest.mark.usefixtures("without_cluster")
def test_an_unlisted_skip_fails_wherever_it_is_raised(pytester: pytest.Pytester, test: str, outcome: str) -> None:
    result = run(pytester, test)
    result.assert_outcomes(**{outcome: 1})
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*does not list: too slow*"])


def test_an_expected_failure_is_not_a_skip(pytester: pytest.Pytester) -> None:
    run(pytester, "import pytest\n@pytest.mark.xfail\ndef test_it(): assert False").assert_outcomes(xfailed=1)


@pytest.mark.parametrize(
    "entry",
    [
        'reason = "x"\ncondition = "no-cluster"',
        'reason = "x"\ncondition = "monday"\nwhy = "y"',
        'reason = "x"\nwhy = ""',
    ],
)
def test_an_entry_without_a_known_condition_and_a_why_is_refused(pytester: pytest.Pytester, entry: str) -> None:
    result = run(pytester, "def test_it(): ...", f"[[skip]]\n{entry}\n")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_the_committed_list_names_every_condition_once(pytestconfig: pytest.Config) -> None:
    listed = read_list(Path(pytestconfig.rootpath) / "tests" / "skips.toml")
    assert sorted(entry.condition for entry in listed) == sorted(CONDITIONS)
