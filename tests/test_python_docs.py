"""docs/python.md is run as it stands, and `import radmark` is what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import radmark as rm

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_block_of_the_page_runs_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) >= 5
    names: dict[str, object] = {}
    for block in blocks:
        block = block.replace('encoder="imagenet"', 'encoder="none"')
        exec(compile(block, str(PAGE), "exec"), names)
    assert (tmp_path / "picture.png").is_file()
    assert (tmp_path / "points.csv").is_file()


def test_the_surface_has_fifteen_names_and_all_are_there() -> None:
    assert len(rm.__all__) == 15
    for name in rm.__all__:
        assert getattr(rm, name) is not None


def test_rooms_are_attributes_after_the_import() -> None:
    script = "import radmark; radmark.io.read_scheme; radmark.measure.examine"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_import_loads_neither_numpy_nor_torch_nor_matplotlib() -> None:
    script = (
        "import sys, radmark; heavy = {'numpy', 'torch', 'matplotlib', 'scipy', 'PIL', 'pydicom'}; "
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_of_the_package_fits_on_a_screen() -> None:
    assert rm.__doc__ is not None
    assert len(rm.__doc__.splitlines()) < 25


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(rm.__file__).parent / "py.typed").is_file()


def test_a_misspelt_setting_is_refused_with_the_nearest_one() -> None:
    from radmark.config import Config
    from radmark.surface import _changed

    with pytest.raises(rm.InputError, match="learning_rate"):
        _changed(Config(), {"learning_rat": 1e-3})
    assert _changed(Config(), {"epochs": 3}).train.epochs == 3
