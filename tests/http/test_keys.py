from pathlib import Path

import pytest

from radmark.core import InputError
from radmark.http.keys import add_key, owner, read_keys


def test_a_key_is_with_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    pacs, desk = add_key(file, "pacs"), add_key(file, "desk")
    text = file.read_text(encoding="utf-8")
    assert pacs not in text
    assert desk not in text
    keys = read_keys(file)
    assert (owner(keys, pacs), owner(keys, desk)) == ("pacs", "desk")
    for wrong in ("", "x", pacs[:-1], f"{pacs}x", keys["pacs"], "\udcff"):
        assert owner(keys, wrong) is None


@pytest.mark.parametrize("line", ["desk", "desk tooshort", f"desk {'0' * 63}g", f"a b {'0' * 64}"])
def test_a_key_that_stands_where_its_hash_belongs_is_refused_and_not_repeated(tmp_path: Path, line: str) -> None:
    (tmp_path / "keys").write_text(f"# who\npacs {'0' * 64}\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match="row 3") as told:
        read_keys(tmp_path / "keys")
    assert line not in str(told.value)
