"""The tests, tested: every mistake in `mutants.py` must turn its test red."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mutants import MUTANTS, Mutant

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "radmark"

# Each set of tests needs a process that has not seen radmark yet, but torch and its like take seconds to import: this one
# imports them once and forks for each line of "where to write, what to run". It answers with pytest's exit code.
FOUNDRY = """
import os, sys
import hypothesis, lightning_fabric, numpy, pydicom, pytest, safetensors.torch, scipy, torch
for line in sys.stdin:
    said, *tests = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if child == 0:
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        os.dup2(1, 2)
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout", *tests])
        sys.stdout.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

Verdict = tuple[int, str]

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package to be spoilt."""
    copy = tmp_path_factory.mktemp("workshop") / "radmark"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="module")
def pytest_says(workshop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Verdict]]:
    """Run tests on the package in the workshop; it comes before the installed one on the path."""
    environment = os.environ | {
        "PYTHONPATH": str(workshop.parent),
        "PYTHONDONTWRITEBYTECODE": "1",  # two mutants of one size, written within a second, would share a stale .pyc
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # a second saved for each mutant
        "CI": "true",
    }
    said = tmp_path_factory.mktemp("said") / "pytest.txt"
    with subprocess.Popen(
        [sys.executable, "-c", FOUNDRY],
        cwd=TESTS.parent,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as foundry:
        assert foundry.stdin is not None
        assert foundry.stdout is not None

        def run(*tests: str) -> Verdict:
            print(said, *(str(TESTS / test) for test in tests), sep="\t", file=foundry.stdin, flush=True)
            code = foundry.stdout.readline()  # pyright: ignore[reportOptionalMemberAccess]
            return int(code), said.read_text(encoding="utf-8")

        yield run
        foundry.stdin.close()


def test_without_a_mistake_the_tests_are_green(pytest_says: Callable[..., Verdict]) -> None:
    code, told = pytest_says(*sorted({mutant.tests for mutant in MUTANTS}))
    assert code == 0, told


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.mistake)
def test_a_mistake_turns_its_test_red(workshop: Path, pytest_says: Callable[..., Verdict], mutant: Mutant) -> None:
    file = workshop / mutant.file
    right = file.read_text(encoding="utf-8")
    assert right.count(mutant.old) == 1, f"{mutant.file} has changed: bring the mutant up to date"
    assert mutant.new != mutant.old
    file.write_text(right.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        code, told = pytest_says(mutant.tests)
    finally:
        file.write_text(right, encoding="utf-8")
    # 1 is "a test failed"; 2 would be a mutant that cannot even be imported.
    assert code == 1, told
