import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from annotating import film
from dicom_files import film as dicom
from radmark.core import Film, Frame, InputError, Spacing, SpacingSource
from radmark.core.facts import FactSource, fact
from radmark.io import read_film
from radmark.web.films import Films, matching, natural


def test_films_come_in_the_order_a_person_counts(images: Path) -> None:
    found, left_out = Films(images).scan({})
    assert [f.film.name for f in found] == ["film-1.png", "film-2.png", "film-10.png"]
    assert left_out == []
    assert {f.film.size for f in found} == {(40, 30)}


def test_natural_order_takes_digits_as_numbers() -> None:
    names = ["b10", "B9", "a", "", "10", "9x", "b", "²"]
    assert sorted(names, key=natural) == ["", "9x", "10", "a", "b", "B9", "b10", "²"]


def test_sub_folders_count_and_hidden_ones_and_the_project_do_not(images: Path) -> None:
    for name in ("sub/deep/x.tiff", ".hidden/x.png", "radmark-project/x.png", ".x.png"):
        path = images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, np.zeros((3, 4), np.uint16)) if path.suffix == ".tiff" else film(path)
    (images / "notes.txt").write_text("no image")
    assert [f.film.name for f in Films(images).scan({})[0]] == [
        "film-1.png",
        "film-2.png",
        "film-10.png",
        "sub/deep/x.tiff",
    ]


def test_a_broken_file_is_left_out_with_the_reason(images: Path) -> None:
    (images / "film-2.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    found, left_out = Films(images).scan({})
    assert [f.film.name for f in found] == ["film-1.png", "film-10.png"]
    assert [left.name for left in left_out] == ["film-2.png"]
    assert "damaged or cut off" in left_out[0].problem


def test_a_decompression_bomb_is_left_out_before_a_pixel_is_decoded(images: Path) -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", 50000, 50000, 16, 0, 0, 0, 0)  # 5 GB once unpacked
    bomb = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (images / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bomb)
    films = Films(images)
    found, left_out = films.scan({})
    assert "bomb.png" not in [f.film.name for f in found]
    assert "more than 89478485 pixels" in left_out[0].problem
    with pytest.raises(InputError, match="more than 89478485 pixels"):
        films.open("bomb.png")


def test_only_headers_of_changed_files_are_read_again(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    films = Films(images)
    known = {f.film.name: f for f in films.scan({})[0]}
    film(images / "film-2.png", 41, 30)
    read: list[str] = []
    from radmark.web import films as module

    opened = module.open_film
    monkeypatch.setattr(module, "open_film", lambda path, **more: read.append(path.name) or opened(path, **more))
    found, _ = films.scan(known)
    assert read == ["film-2.png"]
    assert [f.film.frame.width for f in found] == [40, 41, 40]


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "sub/../../secret.png", "..\\secret.png", "a\0b", "."]
)
def test_no_name_leads_out_of_the_folder(images: Path, name: str) -> None:
    film(images.parent / "secret.png")
    with pytest.raises(InputError, match="outside the folder of images"):
        Films(images).path(name)


def test_a_link_out_of_the_folder_is_not_followed(images: Path) -> None:
    secret = film(images.parent / "secret" / "secret.png")
    (images / "link.png").symlink_to(secret)
    (images / "folder").symlink_to(secret.parent)
    (images / "inside.png").symlink_to(images / "film-1.png")
    (images / "loop.png").symlink_to(images / "loop.png")
    films = Films(images)
    found, left_out = films.scan({})
    assert [f.film.name for f in found] == ["film-1.png", "film-2.png", "film-10.png", "inside.png"]
    assert [left.name for left in left_out] == ["link.png", "loop.png"]
    for name in ("link.png", "folder/secret.png"):
        with pytest.raises(InputError, match="outside the folder"):
            films.open(name)


def test_a_file_that_becomes_a_link_later_is_not_followed_either(images: Path) -> None:
    films = Films(images)
    films.scan({})
    films.open("film-1.png")
    secret = film(images.parent / "secret.png")
    (images / "film-1.png").unlink()
    (images / "film-1.png").symlink_to(secret)
    with pytest.raises(InputError, match="outside the folder"):
        films.open("film-1.png")


def test_errors_do_not_tell_where_the_folder_is(images: Path) -> None:
    (images / "film-1.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    with pytest.raises(InputError) as error:
        Films(images).open("film-1.png")
    assert str(images.parent) not in str(error.value)


def test_pixels_are_the_files_at_full_depth(images: Path) -> None:
    picture = Films(images).open("film-1.png")
    np.testing.assert_array_equal(picture.values, np.asarray(Image.open(images / "film-1.png")))
    assert picture.values.dtype == np.dtype("<u2")
    assert picture.bits == 16
    assert picture.film.pixel_hash == read_film(images / "film-1.png").pixel_hash


def test_eight_bit_values_stay_what_they_are(images: Path) -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(pixels).save(images / "eight.png")
    picture = Films(images).open("eight.png")
    np.testing.assert_array_equal(picture.values, pixels)
    assert picture.bits == 8


def test_float_values_come_back_by_scale_and_offset(images: Path) -> None:
    pixels = np.linspace(-3.5, 1000.0, 120, dtype=np.float32).reshape(10, 12)
    tifffile.imwrite(images / "float.tif", pixels)
    picture = Films(images).open("float.tif")
    back = picture.values * picture.scale + picture.offset
    np.testing.assert_allclose(back, pixels, atol=picture.scale)
    assert (picture.values.min(), picture.values.max()) == (0, 65535)


def test_a_flat_picture_has_a_window_all_the_same(images: Path) -> None:
    for dtype in (np.uint16, np.float32):
        tifffile.imwrite(images / "flat.tif", np.full((5, 5), 7, dtype))
        low, high = Films(images).open("flat.tif").window
        assert low < high


def test_the_window_leaves_out_a_few_burnt_pixels(images: Path) -> None:
    pixels = np.random.default_rng(0).integers(1000, 2000, (400, 400)).astype(np.uint16)
    pixels[:4, :4] = 65535
    Image.fromarray(pixels).save(images / "burnt.png")
    low, high = Films(images).open("burnt.png").window
    assert 1000 <= low <= 1020
    assert 1980 <= high <= 2000


def test_a_changed_file_is_read_anew(images: Path) -> None:
    films = Films(images)
    before = films.open("film-1.png").film.pixel_hash
    assert films.open("film-1.png").film.pixel_hash == before
    film(images / "film-1.png", seed=99)
    os.utime(images / "film-1.png", ns=(1, 1))
    assert films.open("film-1.png").film.pixel_hash != before


def told(name: str, spacing: Spacing | None = None, **facts: str) -> dict[str, Film]:
    """What a table says of one film."""
    return {name: Film(name, spacing=spacing, facts=tuple(fact(k, v, FactSource.TABLE) for k, v in facts.items()))}


def test_millimetres_come_from_the_flag_then_the_table_then_the_file(images: Path) -> None:
    dicom(images / "a.dcm", PixelSpacing=[0.2, 0.21])
    flag, table = (Spacing(v, v, source) for v, source in ((1, SpacingSource.FLAG), (2, SpacingSource.TABLE)))
    (own,) = Films(images, told("a.dcm")).scan({})[0]
    assert own.film.spacing is not None
    assert (own.film.spacing.x_mm, own.film.spacing.y_mm) == (0.21, 0.2)
    (stated,) = Films(images, told("a.dcm", table, patient="P1")).scan({})[0]
    assert (stated.film.spacing, stated.film.patient) == (table, "P1")
    (by_flag,) = Films(images, told("a.dcm", table), flag).scan({})[0]
    assert by_flag.film.spacing == flag
    # What a flag said once does not stick to the file.
    (again,) = Films(images, told("a.dcm")).scan({"a.dcm": by_flag})[0]
    assert (again.film.spacing, again.film.file_spacing) == (own.film.spacing, own.film.spacing)
    assert again.stamp == own.stamp


def test_a_film_says_what_its_header_says_and_what_the_table_says_beside_it(images: Path) -> None:
    dicom(images / "a.dcm", PatientOrientation=["R", "F"], Laterality="L")
    (found,) = Films(images, told("a.dcm", display="standard", patient="P1")).scan({})[0]
    assert found.film.text("side") == "left"
    assert found.film.text("display") == "standard"
    assert [f.code for f in found.film.findings] == ["display_contradicted"]
    (again,) = Films(images, told("a.dcm")).scan({"a.dcm": found})[0]
    assert again.film.text("display") == "mirrored"
    assert again.film.patient is None


def test_only_named_films_are_there(images: Path) -> None:
    found, left_out = Films(images, told("film-2.png") | told("gone.png")).scan({})
    assert [f.film.name for f in found] == ["film-2.png"]
    assert [(left.name, left.problem) for left in left_out] == [("gone.png", "there is no such image any more")]
    assert found[0].film.frame == Frame(40, 30)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        Films(tmp_path / "nowhere")


def test_patterns_reach_into_folders() -> None:
    names = ["a/1.png", "a/b/2.png", "c/3.png"]
    assert matching(names, ["a/*"]) == ["a/1.png", "a/b/2.png"]
    assert matching(names, ["c/*", "*/2.png"]) == ["a/b/2.png", "c/3.png"]
