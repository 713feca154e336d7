"""Files appear whole or not at all; nothing that exists is replaced by accident."""

import os
import stat
from pathlib import Path

import pytest

from radmark.core import InputError
from radmark.io.atomic import claim_file, claim_folder, replacing, write_text


def test_nothing_stands_at_the_name_until_the_block_has_ended(tmp_path: Path) -> None:
    result = tmp_path / "new" / "table.csv"
    with replacing(result) as temporary:
        temporary.write_text("half")
        assert not result.exists()
        temporary.write_text("whole")
    assert result.read_text() == "whole"
    assert list(result.parent.iterdir()) == [result]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    result = tmp_path / "table.csv"
    result.write_text("old")

    def fail_half_way() -> None:
        with replacing(result) as temporary:
            temporary.write_text("half")
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="the disk is full"):
        fail_half_way()
    assert result.read_text() == "old"
    assert list(tmp_path.iterdir()) == [result]


def test_the_temporary_name_keeps_the_suffix_and_the_folder(tmp_path: Path) -> None:
    with replacing(tmp_path / "picture.png") as temporary:
        assert temporary.suffix == ".png"
        assert temporary.parent == tmp_path


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_the_result_may_be_read_by_whom_any_new_file_may(tmp_path: Path) -> None:
    write_text(tmp_path / "ours", "x")
    (tmp_path / "plain").write_text("x")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_text_is_utf8_with_unix_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "t.csv", "Hüfte\nKnie\n")
    assert (tmp_path / "t.csv").read_bytes() == b"H\xc3\xbcfte\nKnie\n"


def test_an_absent_or_empty_folder_is_claimed(tmp_path: Path) -> None:
    claim_folder(tmp_path / "a" / "b")
    claim_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_that_holds_something_is_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text("weeks of work")
    with pytest.raises(InputError, match=r"not empty\. Give another folder"):
        claim_folder(tmp_path)
    assert (tmp_path / "results.csv").read_text() == "weeks of work"


def test_with_overwrite_it_is_claimed_and_emptied(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "results.csv").write_text("x")
    (tmp_path / "old" / ".radmark-results-8xk2.csv").write_text("half-writ")
    claim_folder(tmp_path, overwrite=True, ours=["old/*.csv"])
    assert list(tmp_path.iterdir()) == []


def test_overwrite_spares_a_folder_with_anything_in_it_that_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "results.csv").write_text("x")
    (tmp_path / "old" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"did not write.*old/thesis\.txt"):
        claim_folder(tmp_path, overwrite=True, ours=["old/*.csv"])
    assert (tmp_path / "old" / "thesis.txt").read_text() == "years of work"
    assert (tmp_path / "old" / "results.csv").exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_is_not_a_folder_to_claim(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(InputError, match="a file stands where the folder should be"):
        claim_folder(tmp_path / "out", overwrite=overwrite)
    assert (tmp_path / "out").read_text() == "x"


def test_a_file_that_exists_is_claimed_only_with_overwrite(tmp_path: Path) -> None:
    result = tmp_path / "points.csv"
    claim_file(result)
    result.write_text("x")
    with pytest.raises(InputError, match="exists already"):
        claim_file(result)
    claim_file(result, overwrite=True)


def test_a_folder_is_not_a_file_to_claim(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder stands where the file should be"):
        claim_file(tmp_path, overwrite=True)
