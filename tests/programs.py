"""Programs that judge our files without having written them: DCMTK, dicom3tools."""

import os
import shutil
import subprocess

import pytest


def run(program: str, *arguments: str) -> str:
    """What a program says, on both streams. In CI it has to be there."""
    if shutil.which(program) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{program} is not installed; .ci/run installs it")
        pytest.skip(f"{program} is not installed (Debian: dcmtk dicom3tools)")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
