"""The wheel holds the three packages and the migrations, all of them, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

from adapters.postgres.migrate import migrations_folder

ROOT = Path(__file__).parents[2]
PACKAGES = ("traceability", "adapters", "api")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def contents(wheel: Path) -> frozenset[str]:
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(name for name in archive.namelist() if not name.endswith("/"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as pip would fill it: a wheel without data files or compiled code is only unpacked."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def source_files(folder: str) -> Iterator[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", folder]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return (name for name in listing.split("\0") if name and (ROOT / name).is_file())


def run_from(site: Path, program: str) -> str:
    """Run a program that finds our packages in `site` only, from a folder that holds nothing."""
    (empty := site.parent / "elsewhere").mkdir(exist_ok=True)
    # The path entry of the editable install comes later on sys.path, so what is in `site` wins.
    setup = f"import sys; sys.path.insert(0, {str(site)!r})\n"
    command = [sys.executable, "-P", "-c", setup + program]
    result = subprocess.run(command, cwd=empty, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_top_level_names(contents: frozenset[str]) -> None:
    top = {name.partition("/")[0] for name in contents}
    assert {name for name in top if not name.endswith(".dist-info")} == set(PACKAGES)
    assert len(top) == len(PACKAGES) + 1


def test_every_file_of_the_packages_and_every_migration_is_in_it(contents: frozenset[str]) -> None:
    expected = {name for package in PACKAGES for name in source_files(package)}
    expected |= {
        name.replace("migrations/", "adapters/postgres/_migrations/", 1) for name in source_files("migrations")
    }
    assert {name for name in contents if ".dist-info/" not in name} == expected
    assert "traceability/py.typed" in expected
    assert any(name.endswith(".sql") for name in expected)


def test_metadata(wheel: Path, contents: frozenset[str]) -> None:
    (entry_points,) = (name for name in contents if name.endswith(".dist-info/entry_points.txt"))
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in contents)
    parser = ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        parser.read_string(archive.read(entry_points).decode())
    assert dict(parser["console_scripts"]) == {"traceability": "api.__main__:main"}


def test_the_installed_packages_belong_together(installed: Path) -> None:
    place = run_from(
        installed,
        "import api.installation\napi.installation.check_installation()\nprint(api.__file__)",
    )
    assert Path(place).is_relative_to(installed)


def test_the_migrations_are_found_in_the_wheel(installed: Path) -> None:
    program = "from adapters.postgres.migrate import migrations_folder, read_migrations\nprint({})"
    folder = run_from(installed, program.format("migrations_folder()"))
    assert Path(folder) == installed / "adapters" / "postgres" / "_migrations"
    count = run_from(installed, program.format("len(read_migrations(migrations_folder()))"))
    assert int(count) == len(list((ROOT / "migrations").glob("[0-9]*.sql")))


def test_the_migrations_are_found_in_a_checkout() -> None:
    assert migrations_folder() == ROOT / "migrations"


def test_the_verifier_runs_from_the_wheel(installed: Path) -> None:
    usage = run_from(
        installed,
        "import runpy, sys\n"
        "sys.argv = ['verify', '--help']\n"
        "try:\n    runpy.run_module('traceability.notary.verify', run_name='__main__')\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code",
    )
    assert "receipt" in usage
