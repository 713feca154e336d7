"""The tests, tested: every mistake in `mutants.py` must turn its test red."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mutants import MUTANTS, Mutant

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "radmark"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package to be spoilt."""
    copy = tmp_path_factory.mktemp("workshop") / "radmark"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def pytest_says(package: Path, tests: str) -> subprocess.CompletedProcess[str]:
    """Run `tests` on the package in that folder; it comes before the installed one on the path."""
    environment = os.environ | {
        "PYTHONPATH": str(package.parent),
        "PYTHONDONTWRITEBYTECODE": "1",  # two mutants of one size, written within a second, would share a stale .pyc
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # a second saved for each mutant
        "CI": "true",
    }
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout"]
    command = [sys.executable, "-m", "pytest", *options, str(TESTS / tests)]
    return subprocess.run(command, cwd=TESTS.parent, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("tests", sorted({mutant.tests.split("::")[0] for mutant in MUTANTS}))
def test_without_a_mistake_the_tests_are_green(workshop: Path, tests: str) -> None:
    told = pytest_says(workshop, tests)
    assert told.returncode == 0, told.stdout


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.mistake)
def test_a_mistake_turns_its_test_red(workshop: Path, mutant: Mutant) -> None:
    file = workshop / mutant.file
    right = file.read_text(encoding="utf-8")
    assert right.count(mutant.old) == 1, f"{mutant.file} has changed: bring the mutant up to date"
    assert mutant.new != mutant.old
    file.write_text(right.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        told = pytest_says(workshop, mutant.tests)
    finally:
        file.write_text(right, encoding="utf-8")
    # 1 is "a test failed"; 2 would be a mutant that cannot even be imported.
    assert told.returncode == 1, told.stdout
