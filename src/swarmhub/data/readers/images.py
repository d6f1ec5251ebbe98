"""Images as rows of numbers from 0 to 1: a folder of PNG, JPEG or TIFF files, or an .npz file.

An image of height h, width w and c channels becomes a row of h w c numbers in C order, and the
frame's `shape` is (h, w, c). Columns are named by row, column and channel: "px_003_012_0". Whole
numbers are divided by the largest one of their type, never by the largest one that is there, which
differs between hospitals. Nothing but pixels and the files' names is kept of an image.
"""

from __future__ import annotations

import itertools
import math
import re
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from swarmhub.data.frames import Floats, Request, Words, explain_unreadable
from swarmhub.data.readers import common
from swarmhub.data.readers.common import Described
from swarmhub.data.readers.sniff import read_start
from swarmhub.errors import BadInput, plain

MAX_PIXELS = 256 * 256 * 3  # numbers of an image: each is a column
LARGEST = {"bool": 1.0, "uint8": 255.0, "uint16": 65535.0}
MODES = {"L": "uint8", "RGB": "uint8", "I;16": "uint16", "I;16B": "uint16"}  # of Pillow
FORMATS = ("PNG", "JPEG", "TIFF")
SUFFIXES = frozenset([".png", ".jpg", ".jpeg", ".tif", ".tiff"])
OTHERS = frozenset([".bmp", ".gif", ".webp", ".jp2", ".heic", ".svs", ".ndpi", ".nii", ".mha"])
DEPTH = 24  # byte of a PNG's header with the bits of a channel
ORIENTATION, BITS, WHITE_IS_ZERO, SIGN = 0x0112, 258, 262, 339  # tags of Exif and TIFF
SIZE = re.compile(r"([1-9]\d{0,4})[xX]([1-9]\d{0,4})")
SMALLER = "make the images smaller in the same way at all hospitals (option size, as size=64x64)"
ALIKE = "convert all images alike, or give the option size"
IMAGES, SAMPLES = "images", "samples"  # arrays of an .npz file


def read_folder(path: Path, request: Request) -> Described:
    """Return the images of a folder, (n, h w c), in the order of their names, which without their
    ends are the samples. If they lie in folders within it, the column "folder" has these.

    All are gray (8 or 16 bits) or RGB (8 bits) and of one size; `request.options["size"]` "HxW"
    resizes them by Pillow's box filter (each number is the mean of the area that it covers). An
    image is turned as its Exif orientation says. Raises BadInput for other kinds of images.
    """
    files, notes = _find_files(path)
    size = _find_size(request)
    x, shape, first, turned = np.empty((0, 0)), (0, 0, 0), "", 0
    for k, file in enumerate(files):
        place = f"{path.name}, {plain(file.relative_to(path).as_posix(), 80)}"
        pixels, is_turned = _read_image(file, place, size is not None)
        turned += is_turned
        kind = f"{pixels.shape[2:] if size else pixels.shape} pixels of {pixels.dtype}"
        if not first:
            first = kind
            shape = (*(size or pixels.shape[:2]), pixels.shape[2])
            x = _make_room(len(files), shape, path.name)
        if kind != first:
            raise BadInput(
                f"{place}: expected {first} as in {plain(files[0].name, 60)}, got {kind}; {ALIKE}."
            )
        x[k] = _to_row(pixels, size, place)
    if turned:
        notes.append(f"{path.name}: {turned} images are turned as their Exif orientation says.")
    names = [file.stem for file in files]
    if len(set(names)) < len(names):
        names = [file.relative_to(path).with_suffix("").as_posix() for file in files]
    inner = [file.relative_to(path).parent.as_posix() for file in files]
    sheet = {} if set(inner) == {"."} else {"folder": Words.of(inner)}
    return _frame(path.name, (x, shape), Words.of(names), sheet, (size, notes))


def _find_files(path: Path) -> tuple[list[Path], list[str]]:
    """Return the images of a folder and of the folders in it, sorted, and sentences on others."""
    try:
        here = sorted(path.iterdir())
        inner = [file for folder in here if folder.is_dir() for file in sorted(folder.iterdir())]
    except OSError as error:
        raise explain_unreadable(path, error) from None
    found, left = [], 0
    for file in [*here, *inner]:
        end = file.suffix.lower()
        if file.name.startswith(".") or not file.is_file():
            continue
        is_image = end in SUFFIXES
        if end in OTHERS or (not is_image and read_start(file, 132)[128:] == b"DICM"):
            kind = end.removeprefix(".") if end in OTHERS else "DICOM"
            raise BadInput(
                f"{path.name}, {plain(file.name, 80)}: expected PNG, JPEG or TIFF, got {kind}, "
                "which is not read; export PNG, with one window of intensities at all hospitals."
            )
        left += not is_image
        found += [file] if is_image else []
    if not found:
        raise BadInput(f"The folder {path.name} has no image (.png, .jpg, .tif); check the path.")
    return found, [f"{path.name}: {left} files are no images and left out."] if left else []


def _read_image(path: Path, place: str, is_resized: bool) -> tuple[Any, bool]:
    """Return the pixels of an image, (h, w, c), and whether they were turned. Its size is looked at
    before it is decoded."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as image:
                if not is_resized:
                    _check_pixels(image.width * image.height * len(image.getbands()), place)
                _check_kind(image, path, place)
                is_turned = image.getexif().get(ORIENTATION) in range(2, 9)
                upright = ImageOps.exif_transpose(image)
                pixels = np.asarray(upright).astype(MODES[image.mode])
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise BadInput(
            f"{place}: expected at most {Image.MAX_IMAGE_PIXELS} pixels, got more, as in a file "
            "that is made to fill the memory; make the image smaller."
        ) from None
    except PermissionError as error:
        raise explain_unreadable(path, error) from None
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, EOFError, OverflowError,
            zlib.error, struct.error):  # fmt: skip
        raise BadInput(
            f"{place}: expected PNG, JPEG or TIFF, got other or damaged bytes; copy the file again."
        ) from None
    return pixels.reshape(*pixels.shape[:2], -1), is_turned


def _check_kind(image: Any, path: Path, place: str) -> None:
    """Raise BadInput for pixels that Pillow would change without a word, or that are no gray or
    RGB ones of 8 or 16 bits."""
    tags = getattr(image, "tag_v2", {})  # of a TIFF file
    bits = set(tags.get(BITS, (8,)))
    if image.format == "PNG":
        with path.open("rb") as file:
            bits = {file.read(DEPTH + 1)[DEPTH]}
    got = ""
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        got = "transparency"
    elif image.mode == "P":
        got = "a palette"
    elif image.mode not in MODES:
        got = f"pixels of the kind {image.mode}"
    elif bits != {8 * np.dtype(MODES[image.mode]).itemsize}:
        got = f"{max(bits)} bits, which cannot be read as they are"
    elif getattr(image, "n_frames", 1) > 1:
        got = f"{image.n_frames} images in one file"
    elif tags.get(WHITE_IS_ZERO) == 0:
        got = "a TIFF file in which 0 is white"
    elif set(tags.get(SIGN, (1,))) != {1}:
        got = "signed numbers"
    if got:
        raise BadInput(
            f"{place}: expected gray (8 or 16 bits) or RGB (8 bits) without palette and "
            f"transparency, got {got}; convert all images alike."
        )


def read_npz(path: Path, request: Request) -> Described:
    """Return the images of an .npz file, (n, h w c): the array `images` (n, h, w) or (n, h, w, c)
    of uint8, uint16 or floats from 0 to 1, `samples` (n,) if it is there, and other arrays (n,) as
    words of the sheet. The option size is as in `read_folder`. Raises BadInput if an array has
    another shape or kind, or if the file is damaged."""
    size = _find_size(request)
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if IMAGES not in arrays:
                raise BadInput(
                    f"{path.name}: expected an array '{IMAGES}', got "
                    f"{common.say_names(list(arrays)) or 'none'}; write it with "
                    "numpy.savez(path, images=..., samples=...)."
                )
            values = _read_array(archive, arrays.pop(IMAGES), path)
            more = {name: _read_array(archive, info, path) for name, info in arrays.items()}
    except OSError as error:
        raise explain_unreadable(path, error) from None
    except (ValueError, SyntaxError, EOFError, RuntimeError, NotImplementedError, zlib.error,
            zipfile.BadZipFile):  # fmt: skip
        raise common.damaged(path, "an .npz file") from None
    if values.ndim not in (3, 4) or values.size == 0:
        raise BadInput(
            f"{path.name}: expected images of the shape (n, height, width) or (n, height, width, "
            f"channels), got {values.shape}."
        )
    images = values.reshape(*values.shape[:3], -1)
    shape = (*(size or images.shape[1:3]), images.shape[3])
    x = _make_room(len(images), shape, path.name)
    for k, pixels in enumerate(images):
        x[k] = _to_row(pixels, size, f"{path.name}, image {k + 1}")
    sheet = {name: _to_words(array, len(x), f"{path.name}, array '{plain(name, 60)}'", request)
             for name, array in more.items()}  # fmt: skip
    return _frame(path.name, (x, shape), sheet.pop(SAMPLES, None), sheet, (size, []))


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Any:
    """Return an array, of which the header is held against the size of its file before there is
    room made for it. Raises ValueError if it is damaged."""
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        header = {(1, 0): np.lib.format.read_array_header_1_0,
                  (2, 0): np.lib.format.read_array_header_2_0}[version]  # fmt: skip
        shape, _, dtype = header(file)
        size = info.file_size - file.tell()
    if dtype.hasobject:
        raise BadInput(
            f"{path.name}, array '{plain(info.filename, 60)}': expected numbers or text, got Python"
            " objects (never unpickled); write text with numpy.array(texts, dtype='U')."
        )
    if math.prod(shape) * dtype.itemsize != size:
        raise ValueError("size")
    common.need_room(size // max(1, dtype.itemsize), 1, path.name, SMALLER)
    with archive.open(info) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _to_words(array: Any, rows: int, place: str, request: Request) -> Words:
    """Return an array (n,) as words."""
    if array.shape != (rows,) or array.dtype.kind not in "UbiufS":
        raise BadInput(
            f"{place}: expected a text or a number for each of {rows} images, got {array.dtype} of "
            f"the shape {array.shape}; correct it, or leave the array out."
        )
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "backslashreplace")
    if array.dtype.kind == "U":
        return common.words_of(array.tolist(), request.missing)
    return common.words_of_numbers(array)


# pixels


def _find_size(request: Request) -> tuple[int, int] | None:
    """Return height and width that are asked for."""
    given = request.options.get("size", "")
    found = SIZE.fullmatch(given)
    if given and not found:
        raise BadInput(
            f"Expected the option size as height x width, such as 64x64, got '{plain(given, 30)}'."
        )
    return (int(found[1]), int(found[2])) if found else None


def _make_room(count: int, shape: tuple[int, ...], source: str) -> Floats:
    _check_pixels(math.prod(shape), source)
    common.need_room(count, math.prod(shape), source, SMALLER)
    return np.empty((count, math.prod(shape)))


def _check_pixels(count: int, place: str) -> None:
    if count > MAX_PIXELS:
        raise BadInput(
            f"{place}: expected at most {MAX_PIXELS} numbers an image, got {count}; {SMALLER}."
        )


def _to_row(pixels: Any, size: tuple[int, int] | None, place: str) -> Floats:
    """Return an image (h, w, c) of this size, if it is given, as numbers from 0 to 1, (h w c,)."""
    kind = str(pixels.dtype)
    is_unit = pixels.dtype.kind == "f" and bool(pixels.min() >= 0 and pixels.max() <= 1)
    if kind not in LARGEST and not is_unit:
        raise BadInput(
            f"{place}: expected pixels as uint8, uint16 or floats from 0 to 1, got {kind}"
            f"{' beyond these' if pixels.dtype.kind == 'f' else ''}; divide them by the largest "
            "number that the device can give, the same one at all hospitals."
        )
    if size:
        from PIL import Image

        layers = [
            Image.fromarray(pixels[:, :, c].astype(np.float32)) for c in range(pixels.shape[2])
        ]
        box = Image.Resampling.BOX
        pixels = np.stack([np.asarray(la.resize(size[::-1], box)) for la in layers], axis=2)
    found: Floats = pixels.astype(np.float64).reshape(-1) / LARGEST.get(kind, 1.0)
    return found


def _frame(
    source: str, images: tuple[Floats, tuple[int, ...]], samples: Words | None,
    sheet: dict[str, Words], done: tuple[tuple[int, int] | None, list[str]],
) -> Described:  # fmt: skip
    """Return the frame of images as rows and the shape of one; `done` is the size that they were
    brought to, and sentences on the files."""
    (x, shape), (size, notes) = images, done
    names = tuple(f"px_{y:03}_{x:03}_{c}" for y, x, c in itertools.product(*map(range, shape)))
    common.check_sheet(names, sheet, source)
    resized = f", resized to {size[0]}x{size[1]} by the mean of areas" if size else ""
    said = f"{source} has {len(x)} images of the shape {shape}, as numbers from 0 to 1{resized}."
    return Described(
        source, x, names, sheet, samples, unit="intensity", notes=(said, *notes),
        aside=frozenset(sheet), shape=shape,
    )  # fmt: skip
