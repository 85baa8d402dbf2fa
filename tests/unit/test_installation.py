from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

from api.installation import MixedInstallationError, check_installation


def package(name: str, folder: Path | None) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = str(folder / name / "__init__.py") if folder else None
    return module


def test_this_installation_is_whole() -> None:
    check_installation()


@pytest.mark.parametrize("stranger", ["adapters", "api"])
def test_a_package_of_another_distribution_is_named(tmp_path: Path, stranger: str) -> None:
    packages = {name: package(name, tmp_path / "ours") for name in ("traceability", "adapters", "api")}
    check_installation(packages)
    packages[stranger] = package(stranger, tmp_path / "theirs")
    with pytest.raises(MixedInstallationError) as caught:
        check_installation(packages)
    assert f"{stranger} in {tmp_path / 'theirs'}" in caught.value.diagnostics()
    assert "environment of its own" in caught.value.diagnostics()


def test_a_folder_without_init_is_no_package_of_ours(tmp_path: Path) -> None:
    packages = {"traceability": package("traceability", tmp_path), "adapters": package("adapters", None)}
    with pytest.raises(MixedInstallationError, match="adapters in several folders"):
        check_installation(packages)


def test_the_command_says_so_before_it_imports_what_is_broken(tmp_path: Path) -> None:
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "__init__.py").touch()
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import api.__main__; api.__main__.main()"
    run = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert run.returncode == 3
    assert run.stdout == ""
    assert f"adapters in {tmp_path}" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_command_runs_where_all_is_well() -> None:
    run = subprocess.run([sys.executable, "-m", "api", "--version"], check=False, capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, version("traceability")), run.stderr
