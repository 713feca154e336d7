"""Oracles: a lit pixel at a known place, values counted by hand, files written by other libraries (Pillow, libpng)."""

import contextlib
import io
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from radmark.core import InputError, Spacing, SpacingSource
from radmark.io import read_film, read_size

LIT = (7, 2)  # x, y in a picture 10 wide and 6 high
RAMP16 = (np.arange(60).reshape(6, 10) * 1111).astype(np.uint16)  # up to 65549 % 65536: all 16 bits in use


def lit(dtype: type = np.uint8) -> np.ndarray:
    picture = np.zeros((6, 10), dtype)
    picture[LIT[1], LIT[0]] = 200
    return picture


def brightest(path: Path) -> tuple[int, int]:
    """(x, y) of the brightest pixel."""
    pixels = read_film(path).pixels
    y, x = np.unravel_index(pixels.argmax(), pixels.shape)
    return int(x), int(y)


MODES = {
    ".png": ("L", "RGB", "LA", "RGBA", "P", "1"),
    ".tif": ("L", "RGB", "LA", "RGBA", "P", "1"),
    ".jpg": ("L", "RGB", "CMYK"),
}


@pytest.mark.parametrize(("suffix", "mode"), [(suffix, mode) for suffix, modes in MODES.items() for mode in modes])
def test_a_lit_pixel_stays_where_it_was_lit(tmp_path, suffix, mode):
    picture = Image.fromarray(np.kron(lit(), np.ones((8, 8), np.uint8)))  # JPEG smears over its 8 x 8 blocks
    path = tmp_path / f"a{suffix}"
    picture.convert(mode).save(path)
    assert read_size(path) == (80, 48)
    x, y = brightest(path)
    assert (x // 8, y // 8) == LIT


# EXIF says where the stored row 0 and column 0 are seen; so stored (x, y) = (7, 2) of 10 x 6 is seen here.
SEEN = {1: (7, 2), 2: (2, 2), 3: (2, 3), 4: (7, 3), 5: (2, 7), 6: (3, 7), 7: (3, 2), 8: (2, 2)}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_picture_stands_as_its_exif_orientation_says(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.kron(lit(), np.ones((8, 8), np.uint8))).save(path, exif=exif)
    width, height = (80, 48) if orientation < 5 else (48, 80)
    image = read_film(path, spacing=Spacing(0.1, 0.2, SpacingSource.FLAG))
    assert read_size(path) == (width, height) == (image.frame.width, image.frame.height)
    assert image.frame.spacing == Spacing(0.1, 0.2, SpacingSource.FLAG)
    x, y = brightest(path)
    assert (x // 8, y // 8) == SEEN[orientation]


def test_an_orientation_behind_the_pixels_of_a_png_counts(tmp_path):
    path = tmp_path / "a.png"
    plain = imagecodecs.png_encode(lit())
    exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"  # one entry: orientation 6
    path.write_bytes(plain[:-12] + png_chunk(b"eXIf", exif) + plain[-12:])
    assert read_size(path) == (6, 10)
    assert brightest(path) == (3, 7)


def test_an_orientation_outside_the_standard_is_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 9
    Image.fromarray(lit()).save(tmp_path / "a.png", exif=exif)
    assert brightest(tmp_path / "a.png") == LIT


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_gray_written_by_pillow_is_read_exactly(tmp_path, suffix):
    Image.fromarray(RAMP16).save(tmp_path / f"a{suffix}")
    pixels = read_film(tmp_path / f"a{suffix}").pixels
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, RAMP16)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_keeps_16_bits_whatever_its_channels(tmp_path, channels):
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.stack([RAMP16] * channels, -1).squeeze()))
    pixels = read_film(tmp_path / "a.png").pixels
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, RAMP16)


@pytest.mark.parametrize("top", [255, 65535])
def test_colour_becomes_601_luma_at_full_depth(tmp_path, top):
    dtype = np.uint8 if top == 255 else np.uint16
    colour = np.zeros((1, 4, 3), dtype)
    colour[0, 0, 0] = colour[0, 1, 1] = colour[0, 2, 2] = colour[0, 3, :2] = top
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(colour))
    expected = [round(0.299 * top), round(0.587 * top), round(0.114 * top), round(0.886 * top)]
    assert read_film(tmp_path / "a.png").pixels.tolist() == [expected]


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
def test_colour_tiff_is_read_in_both_layouts(tmp_path, planarconfig):
    colour = np.zeros((6, 10, 3), np.uint16)
    colour[2, 7] = (1000, 2000, 3000)
    stored = colour if planarconfig == "contig" else np.moveaxis(colour, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planarconfig)
    assert read_film(tmp_path / "a.tif").pixels[2, 7] == 299 + 1174 + 342  # 0.299 R + 0.587 G + 0.114 B


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd"])
@pytest.mark.parametrize("layout", [{"rowsperstrip": 2}, {"tile": (16, 16)}])
def test_tiff_is_read_whatever_its_compression_and_layout(tmp_path, compression, layout):
    tifffile.imwrite(tmp_path / "a.tif", RAMP16, compression=compression, **layout)
    np.testing.assert_array_equal(read_film(tmp_path / "a.tif").pixels, RAMP16)


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535)])
def test_a_tiff_whose_zero_is_white_is_inverted(tmp_path, dtype, white):
    tifffile.imwrite(tmp_path / "a.tif", lit(dtype), photometric="miniswhite")
    pixels = read_film(tmp_path / "a.tif").pixels
    assert pixels.dtype == dtype
    assert pixels[2, 7] == white - 200
    assert pixels[0, 0] == white


def test_12_bit_white_is_4095(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", lit(np.uint16), photometric="miniswhite", bitspersample=12, compression=None)
    assert read_film(tmp_path / "a.tif").pixels[0, 0] == 4095


def test_signed_and_float_tiffs_become_float32_with_the_same_values(tmp_path):
    for dtype in (np.int16, np.float16, np.float32):
        values = np.array([[-3, 0, 1000]], dtype)
        tifffile.imwrite(tmp_path / "a.tif", values)
        pixels = read_film(tmp_path / "a.tif").pixels
        assert pixels.dtype == np.float32
        assert pixels.tolist() == [[-3, 0, 1000]]


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.float64])
def test_values_that_would_be_rounded_are_refused(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", lit(dtype))
    with pytest.raises(InputError, match=r"a\.tif: .*\(got '\w+'\)\. Save it as 16-bit TIFF or PNG"):
        read_film(tmp_path / "a.tif")


def test_nan_is_refused_with_the_name_of_the_file(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[np.nan]], np.float32))
    with pytest.raises(InputError, match=r"a\.tif: pixels hold NaN"):
        read_film(tmp_path / "a.tif")


def test_cmyk_tiff_is_refused(tmp_path):
    Image.fromarray(lit()).convert("CMYK").save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif: .*not gray, RGB or a palette \(got 'SEPARATED'\)\. Convert it"):
        read_film(tmp_path / "a.tif")


def test_several_pages_are_refused_and_counted(tmp_path):
    pages = [Image.fromarray(lit()) for _ in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    pages[1].putpixel((0, 0), 1)
    pages[2].putpixel((0, 0), 2)
    pages[0].save(tmp_path / "b.png", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "c.jpg", "MPO", save_all=True, append_images=pages[1:])
    for name in ("a.tif", "b.png", "c.jpg"):
        for read in (read_film, read_size):
            with pytest.raises(InputError, match=rf"{name}: the file holds 3 pages.*\. Save each page as a file"):
                read(tmp_path / name)


def test_thumbnails_do_not_count_as_pages(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(lit())
        tiff.write(lit()[::2, ::2], subfiletype=1)
    Image.fromarray(np.kron(lit(), np.ones((8, 8), np.uint8))).save(
        tmp_path / "b.jpg", "MPO", save_all=True, append_images=[Image.fromarray(lit())]
    )
    assert read_film(tmp_path / "a.tif").pixels.shape == (6, 10)
    assert read_film(tmp_path / "b.jpg").pixels.shape == (48, 80)


def encoded(format_: str, **options: object) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (40, 60)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, format_, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("format_", "options"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "jpeg"}),
    ],
)
def test_a_cut_off_file_is_refused_or_read_whole(tmp_path, format_, options):
    whole = encoded(format_, **options)
    path = tmp_path / "a.img"
    path.write_bytes(whole)
    pixels = read_film(path).pixels
    for length in {*range(1, len(whole), len(whole) // 25), *range(len(whole) - 20, len(whole))}:
        path.write_bytes(whole[:length])
        if length < len(whole) - 4:
            with pytest.raises(InputError, match=r"a\.img: .*\. (Copy|Convert) it "):
                read_film(path)
            continue
        with contextlib.suppress(InputError):  # the end mark is cut: no pixel of it
            np.testing.assert_array_equal(read_film(path).pixels, pixels)


@pytest.mark.parametrize("place", [20, 1000, -5])  # in the header, the pixels, the end
def test_a_flipped_bit_in_a_png_is_noticed(tmp_path, place):
    content = bytearray(encoded("PNG"))
    content[place] ^= 1
    (tmp_path / "a.png").write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"a\.png: the image is damaged or cut off .*\. Copy it again"):
        read_film(tmp_path / "a.png")


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


BOMB = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("name", "content", "problem", "remedy"),
    [
        ("a.png", b"", "the image file is empty", "Copy it again"),
        ("a.png", b"not a picture", "not a DICOM, PNG, JPEG or TIFF image", "Convert it to PNG or TIFF"),
        ("a.gif", b"GIF89a", "not a DICOM, PNG, JPEG or TIFF image", "Convert it to PNG or TIFF"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "damaged or cut off", "Copy it again"),
        ("a.jpg", b"\xff\xd8\xff", "damaged or cut off", "Copy it again"),
        ("a.tif", b"II*\0\x08\0\0\0", "damaged or cut off", "Copy it again"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + BOMB, "more than 89478485 pixels", "Check the file"),
        ("a.dcm", b"", "the image file is empty", "Copy it again"),
        ("a.dcm", b"\x89PNG\r\n\x1a\n", "not a DICOM radiograph", "Give the image itself"),
        ("a.png", bytes(128) + b"DICM", "not a DICOM radiograph", "Give the image itself"),
    ],
)
def test_what_is_not_a_picture_is_refused_with_a_way_out(tmp_path, name, content, problem, remedy):
    (tmp_path / name).write_bytes(content)
    for read in (read_film, read_size):
        with pytest.raises(InputError, match=problem) as caught:
            read(tmp_path / name)
        assert caught.value.file == str(tmp_path / name)
        assert caught.value.remedy.startswith(remedy)


def test_a_jpeg_and_a_tiff_that_claim_to_be_huge_are_refused_before_they_are_decoded(tmp_path):
    jpeg = bytearray(encoded("JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    (tmp_path / "a.jpg").write_bytes(bytes(jpeg))
    tifffile.imwrite(tmp_path / "b.tif", lit())
    with tifffile.TiffFile(tmp_path / "b.tif", mode="r+") as tiff:
        tiff.pages.first.tags["ImageWidth"].overwrite(60_000)
        tiff.pages.first.tags["ImageLength"].overwrite(60_000)
    for name in ("a.jpg", "b.tif"):
        with pytest.raises(InputError, match=rf"{name}: the image has more than 89478485 pixels.*\. Check the file"):
            read_size(tmp_path / name)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(InputError, match=r"b\.png: there is no such image\. Check the name"):
        read_film(tmp_path / "b.png")
    with pytest.raises(InputError, match=r"the image cannot be opened: Is a directory\. Check that it is a file"):
        read_film(tmp_path)
