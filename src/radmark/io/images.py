"""Image files into gray radiographs: DICOM (by `io.dicom`), PNG, JPEG and TIFF, at the bit depth they were stored with.

All formats count pixels from the top left, x right and y down, and a pixel's whole number is its centre: our
own convention, so points need no shift. What does need care is which way up the picture is (EXIF), which end of the
scale is black (TIFF), and that nothing falls to 8 bit on the way (Pillow does that to 16-bit colour PNG, so PNG is read
by libpng). The format is told by the file's first bytes, not by its suffix.
"""

import logging
import math
import struct
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radmark.core.errors import InputError
from radmark.core.facts import Fact
from radmark.core.film import Film
from radmark.core.finding import Finding
from radmark.core.frame import Spacing, SpacingSource
from radmark.io.dicom import DICOM_SUFFIXES, DicomHeader, is_dicom, read_dicom, read_dicom_header

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", *DICOM_SUFFIXES)
"""Lower-case suffixes of the image files radmark reads."""

MAX_PIXELS = 89_478_485
"""The largest picture read, in pixels. Pillow's own limit; a full-leg film at 0.1 mm has 56 million."""

_ORIENTATION = 0x0112  # the tag's number, in EXIF and in TIFF

# The TIFF library reports damage to a logger as well as by raising. We raise; a library does not print.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class _Header:
    """Size as stored, in pixels, and how the stored picture has to be turned to stand upright (1 … 8 as in EXIF)."""

    width: int
    height: int
    orientation: int

    @property
    def upright_size(self) -> tuple[int, int]:
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


@dataclass(frozen=True)
class _File:
    """What a file says of its film, and its pixels where they were asked for."""

    size: tuple[int, int]
    spacing: Spacing | None = None
    facts: tuple[Fact, ...] = ()
    findings: tuple[Finding, ...] = ()
    pixels: NDArray[Any] | None = None


@dataclass(frozen=True)
class _Loader:
    """Reads a film's pixels when they are asked for; goes to other processes with the film."""

    path: Path
    frame: int | None

    def __call__(self, film: Film) -> Film:
        file = _read(self.path, self.frame)
        if film.size not in (None, file.size):
            raise _other_size(film.name, file.size, film.size).at(file=self.path)
        try:
            return replace(film, size=file.size, _pixels=file.pixels)
        except InputError as error:
            raise error.at(file=self.path) from error


def read_film(
    path: Path | str, *, name: str | None = None, spacing: Spacing | None = None, frame: int | None = None
) -> Film:
    """Read one film, upright, with its pixels.

    Gray values are those of the file, at its depth: uint8, uint16, or float32 for signed 8- and 16-bit and for float
    TIFF. A TIFF whose zero is white is inverted, so that the order of gray values is that of the picture as shown.
    Colour becomes gray by one channel where all are equal, else by ITU-R BT.601 luma. Transparency is ignored.

    Further pages: a TIFF may hold thumbnails and masks that say so, and a JPEG smaller previews (as telephones write
    them); with any other further page the file is refused, since which page was meant is not ours to guess.

    Args:
        path: a DICOM, PNG, JPEG or TIFF file.
        name: of the film; by default the file's.
        spacing: millimetres per pixel, x and y as seen upright, from whoever knows them. It wins over a DICOM header. What a
            picture file says about dots per inch is the scanner's, not the patient's, and is not believed.
        frame: 1-based, of a DICOM file of several.

    Raises:
        InputError: the file is missing, not such an image, damaged, cut off, too large, or of several pages or frames.
    """
    path = Path(path)
    return _film(path, _read(path, frame), name, spacing, frame)


def open_film(
    path: Path | str, *, name: str | None = None, spacing: Spacing | None = None, frame: int | None = None
) -> Film:
    """A film by its file's header; its pixels load when they are asked for. Arguments and errors as `read_film`."""
    path = Path(path)
    return _film(path, _head(path), name, spacing, frame)


def with_file(film: Film, path: Path, *, frame: int | None = None) -> Film:
    """A film that a table tells of, with what its file says.

    Millimetres of the table go before the file's. Where they are the very same, as `radmark predict` writes them, they rest on
    what the file's rest on.

    Raises:
        InputError: as `read_size`; or the table states another size, so its points are for another picture.
    """
    file = _head(path)
    if film.size not in (None, file.size):
        raise _other_size(film.name, file.size, film.size)
    used, own = film.spacing, file.spacing
    if used is None or (
        used.source is SpacingSource.TABLE and own is not None and (own.x_mm, own.y_mm) == (used.x_mm, used.y_mm)
    ):
        used = own
    return replace(
        film,
        size=file.size,
        spacing=used,
        file_spacing=own,
        path=path,
        facts=(*film.facts, *file.facts),
        notes=(*film.notes, *file.findings),
        frame_number=frame,
        load=_Loader(path, frame),
    )


def of_frame(film: Film, frame: int | None) -> Film:
    """A film whose file holds several frames, meaning one of them, from 1."""
    if frame is None or film.path is None:
        return film
    return replace(film, frame_number=frame, load=_Loader(film.path, frame))


def as_film(film: Film | Path | str | NDArray[Any]) -> Film:
    """A film, whatever is at hand: a film, the path of its file, or its (H, W) gray values."""
    if isinstance(film, Film):
        return film
    return Film.from_array(film) if isinstance(film, np.ndarray) else read_film(film)


def _other_size(name: str, is_: tuple[int, int], said: tuple[int, int] | None) -> InputError:
    turned = ", turned by a quarter" if said == is_[::-1] else ""
    return InputError(
        f"{name} is {is_[0]} wide and {is_[1]} high, not as the annotations say{turned}",
        value=None if said is None else f"{said[0]} x {said[1]}",
        remedy="Give the film the points were marked on: points marked on another size or turn are wrong here",
    )


def _film(path: Path, file: _File, name: str | None, spacing: Spacing | None, frame: int | None) -> Film:
    try:
        return Film(
            path.name if name is None else name,
            file.size,
            spacing or file.spacing,
            path,
            facts=file.facts,
            notes=file.findings,
            file_spacing=file.spacing,
            frame_number=frame,
            load=_Loader(path, frame),
            _pixels=file.pixels,
        )
    except InputError as error:
        raise error.at(file=path) from error


def _head(path: Path) -> _File:
    if is_dicom(path):
        return _of_dicom(read_dicom_header(path, max_pixels=MAX_PIXELS))
    with _opened(path) as (file, format_):
        return _File(format_.header(file, path).upright_size)


def _of_dicom(said: DicomHeader, pixels: NDArray[Any] | None = None) -> _File:
    return _File((said.width, said.height), said.spacing, said.facts, said.findings, pixels)


def _read(path: Path, frame: int | None) -> _File:
    if is_dicom(path):
        image = read_dicom(path, frame=frame, max_pixels=MAX_PIXELS)
        return _of_dicom(image.said, np.ascontiguousarray(_gray(image.pixels, path)))
    if frame is not None:
        raise InputError("only a DICOM file has frames", file=path, value=frame, remedy="Omit --frame")
    with _opened(path) as (file, format_):
        header = format_.header(file, path)
        file.seek(0)
        pixels = _gray(format_.decode(file, path), path)
        if pixels.shape != (header.height, header.width):
            raise InputError(
                f"the file promises {header.width} x {header.height} pixels and holds another number",
                file=path,
                value=f"array of shape {pixels.shape}",
                remedy="Export it anew as PNG or TIFF",
            )
    return _File(header.upright_size, pixels=np.ascontiguousarray(_upright(pixels, header.orientation)))


def read_size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels of the upright picture, from the file's header; no pixel is decoded.

    Raises:
        InputError: as `read_film`, as far as the header shows it.
    """
    return _head(path).size


# ---------------------------------------------------------------------------------------------------------- opening


@dataclass(frozen=True, slots=True)
class _Format:
    header: Callable[[BinaryIO, Path], _Header]
    decode: Callable[[BinaryIO, Path], NDArray[Any]]  # (H, W) or (H, W, C), C = 2 gray+alpha, 3 RGB, 4 RGB+alpha


@contextmanager
def _opened(path: Path) -> Generator[tuple[BinaryIO, _Format], None, None]:
    """The open file and its format. Whatever a decoder raises inside the block becomes an `InputError`."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise InputError("there is no such image", file=path, remedy="Check the name and the folder") from None
    except OSError as error:
        raise InputError(
            f"the image cannot be opened: {error.strerror}", file=path, remedy="Check that it is a file you may read"
        ) from error
    with file:
        try:
            format_ = _format(file.read(16), path)
            file.seek(0)
            yield file, format_
        except InputError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise _too_large(path, None) from error
        # Three decoders, written in C and fed with strangers' bytes, raise nearly every kind of exception there is.
        except Exception as error:
            raise InputError(
                f"the image is damaged or cut off ({type(error).__name__}: {error})",
                file=path,
                remedy="Copy it again from where it came, or export it anew as PNG or TIFF",
            ) from error


def _format(head: bytes, path: Path) -> _Format:
    """The format told by the first bytes."""
    if not head:
        raise InputError("the image file is empty", file=path, remedy="Copy it again from where it came")
    for magic, format_ in _FORMATS:
        if head.startswith(magic):
            return format_
    raise InputError(
        "this is not a DICOM, PNG, JPEG or TIFF image",
        file=path,
        value=head[:8],
        remedy="Convert it to PNG or TIFF, 16 bit where the original has more than 8",
    )


def _too_large(path: Path, size: str | None) -> InputError:
    return InputError(
        f"the image has more than {MAX_PIXELS} pixels, which no radiograph has",
        file=path,
        value=size,
        remedy="Check the file; a stitched film larger than that has to be scaled down first",
    )


def _checked_size(width: int, height: int, path: Path) -> None:
    if width * height > MAX_PIXELS:
        raise _too_large(path, f"{width} x {height}")


def _checked_pages(pages: int, path: Path) -> None:
    if pages == 0:
        raise ValueError("no page in it")
    if pages != 1:
        raise InputError(
            f"the file holds {pages} pages, and one radiograph is expected",
            file=path,
            value=pages,
            remedy="Save each page as a file of its own",
        )


# -------------------------------------------------------------------------------------------------------------- PNG


def _png_header(file: BinaryIO, path: Path) -> _Header:
    """Walk over the chunks, so that a file without its end is noticed and an orientation behind the pixels is found."""
    file.seek(8)
    width = height = 0
    orientation = frames = 1
    name = b""
    while name != b"IEND":
        length, name = struct.unpack(">I4s", file.read(8))
        if name == b"IDAT":
            file.seek(length + 4, 1)  # the pixels and their checksum are for the decoder
            continue
        body = file.read(length)
        if file.read(4) != struct.pack(">I", zlib.crc32(name + body)):
            raise ValueError(f"wrong checksum of {name.decode('latin-1')}")
        if name == b"IHDR":
            width, height = struct.unpack(">II", body[:8])
            _checked_size(width, height, path)
        elif name == b"acTL":
            (frames,) = struct.unpack(">I", body[:4])
        elif name == b"eXIf":
            exif = Image.Exif()
            exif.load(body)
            orientation = _orientation(exif.get(_ORIENTATION))
    _checked_pages(frames, path)
    return _Header(width, height, orientation)


def _png_pixels(file: BinaryIO, path: Path) -> NDArray[Any]:
    del path
    import imagecodecs  # here: reading a table or a JPEG does without it

    return imagecodecs.png_decode(file.read())


# ------------------------------------------------------------------------------------------------------------- JPEG


def _jpeg_header(file: BinaryIO, path: Path) -> _Header:
    with Image.open(file, formats=("JPEG",)) as image:
        width, height = image.size
        _checked_size(width, height, path)
        orientation = _orientation(image.getexif().get(_ORIENTATION))
        # Telephones append a preview or a gain map, smaller than the picture; a stereo pair is two of one size.
        pages = 1
        for page in range(1, getattr(image, "n_frames", 1)):
            image.seek(page)
            pages += image.size[0] >= width or image.size[1] >= height
        _checked_pages(pages, path)
    return _Header(width, height, orientation)


def _jpeg_pixels(file: BinaryIO, path: Path) -> NDArray[Any]:
    del path
    with Image.open(file, formats=("JPEG",)) as image:
        return np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))


# ------------------------------------------------------------------------------------------------------------- TIFF


@contextmanager
def _tiff_page(file: BinaryIO, path: Path) -> Generator[Any, None, None]:
    """The one page of a TIFF that is neither a thumbnail nor a mask."""
    import tifffile  # here: it is slow to import, and most pictures are not TIFF

    with tifffile.TiffFile(file) as tiff:
        pages: list[Any] = list(tiff.pages)
        full = [page for page in pages if not (page.is_reduced or page.is_mask)] if len(pages) > 1 else pages
        _checked_pages(len(full), path)
        yield full[0]


def _tiff_header(file: BinaryIO, path: Path) -> _Header:
    with _tiff_page(file, path) as page:
        width, height = int(page.imagewidth), int(page.imagelength)
        _checked_size(width, height, path)
        _checked_pages(int(page.imagedepth), path)
        _checked_strips(page, file, path)
        tag = page.tags.get(_ORIENTATION)
        return _Header(width, height, _orientation(None if tag is None else tag.value))


def _checked_strips(page: Any, file: BinaryIO, path: Path) -> None:
    """Every strip or tile has to be there: the decoder would paint a missing one black."""
    end = file.seek(0, 2)
    strips = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if len(strips) != math.prod(page.chunked) or any(not (0 < at < at + size <= end) for at, size in strips):
        raise InputError(
            "the image is cut off: a part of its pixels lies behind the end of the file",
            file=path,
            remedy="Copy it again from where it came",
        )


def _tiff_pixels(file: BinaryIO, path: Path) -> NDArray[Any]:
    with _tiff_page(file, path) as page:
        stored: NDArray[Any] = page.asarray()
        if page.axes == "SYX":
            stored = np.moveaxis(stored, 0, -1)
        photometric = page.photometric.name
        if photometric == "PALETTE":
            return np.moveaxis(page.colormap[:, stored], 0, -1)
        if photometric not in ("MINISBLACK", "MINISWHITE", "RGB", "YCBCR"):
            raise InputError(
                "the TIFF's colours are not gray, RGB or a palette",
                file=path,
                value=photometric,
                remedy="Convert it to gray, 8 or 16 bit",
            )
        stored = _kept_depth(stored, path)
        if photometric != "MINISWHITE":
            return stored
        # As many bits as the file says: 12-bit values come in 16-bit words.
        return (1 << page.bitspersample) - 1 - stored if stored.dtype.kind == "u" else -stored


def _kept_depth(stored: NDArray[Any], path: Path) -> NDArray[Any]:
    """The same values in one of a radiograph's three types; refused where that would round them."""
    for kept in (np.uint8, np.uint16, np.float32):
        if np.can_cast(stored.dtype, kept):
            return stored.astype(kept, copy=False)
    raise InputError(
        "the gray values need more than 16-bit numbers or 32-bit floats can hold",
        file=path,
        value=str(stored.dtype),
        remedy="Save it as 16-bit TIFF or PNG",
    )


# ---------------------------------------------------------------------------------------------- what all have in common


def _gray(stored: NDArray[Any], path: Path) -> NDArray[Any]:
    """(H, W) gray of (H, W) or (H, W, C) values, in the type they have."""
    if stored.ndim == 2:
        return stored
    if stored.ndim != 3 or not 1 <= stored.shape[2] <= 4:
        raise InputError(
            "the image is not gray, gray and alpha, RGB or RGB and alpha",
            file=path,
            value=f"array of shape {stored.shape}",
            remedy="Convert it to gray, 8 or 16 bit",
        )
    if stored.shape[2] <= 2:
        return stored[..., 0]
    red, green, blue = stored[..., 0], stored[..., 1], stored[..., 2]
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return red
    luma = 0.299 * red.astype(np.float64) + 0.587 * green + 0.114 * blue
    return (luma if stored.dtype.kind == "f" else np.rint(luma)).astype(stored.dtype)


def _orientation(value: object) -> int:
    """An orientation tag's value, 1 (upright) where it is missing or outside the standard, as viewers take it."""
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn (H, W) pixels so that they stand as the tag says (EXIF 2.32, table 6: where row 0 and column 0 belong)."""
    turned = stored.T if orientation >= 5 else stored
    mirror_x = orientation in (2, 3, 6, 7)
    mirror_y = orientation in (3, 4, 7, 8)
    return turned[:: -1 if mirror_y else 1, :: -1 if mirror_x else 1]


_PNG = _Format(_png_header, _png_pixels)
_JPEG = _Format(_jpeg_header, _jpeg_pixels)
_TIFF = _Format(_tiff_header, _tiff_pixels)
_FORMATS = (
    (b"\x89PNG\r\n\x1a\n", _PNG),
    (b"\xff\xd8\xff", _JPEG),
    (b"II*\x00", _TIFF),
    (b"MM\x00*", _TIFF),
    (b"II+\x00", _TIFF),  # BigTIFF
    (b"MM\x00+", _TIFF),
)
