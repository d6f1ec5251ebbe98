"""Images: against Pillow's own pixels, NumPy's means of areas, and PNG files packed by hand."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest

from swarmhub.data.findings import Findings
from swarmhub.data.frames import Frame, Request, Words
from swarmhub.data.join import join_frames
from swarmhub.data.readers import common, images
from swarmhub.data.readers.images import read_folder, read_npz
from swarmhub.errors import BadInput

Image = pytest.importorskip("PIL.Image")
pytestmark = pytest.mark.unit

RNG = np.random.default_rng(7)
GRAY = RNG.integers(0, 256, (3, 4, 5), dtype="u1")
COLOUR = RNG.integers(0, 256, (3, 4, 5, 3), dtype="u1")
DEEP = RNG.integers(0, 65536, (3, 4, 5), dtype="u2")
SMALL = Request(options={"size": "2x2"})


def folder(root, arrays, end="png", **options):
    """Write an array as an image p0.png, p1.png, ... each."""
    for k, array in enumerate(arrays):
        Image.fromarray(np.asarray(array)).save(root / f"p{k}.{end}", **options)
    return root


def png(bits, colour, rows):
    """Return a PNG file, packed by hand, of rows of numbers."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    head = struct.pack(">IIBBBBB", len(rows[0]) // channels, len(rows), bits, colour, 0, 0, 0)
    kind = {8: ">u1", 16: ">u2"}[bits]
    data = b"".join(b"\0" + np.array(row, dtype=kind).tobytes() for row in rows)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def npz(root, name="i.npz", **arrays):
    np.savez_compressed(root / name, **arrays)
    return root / name


def refused(read, path, why, request=None):
    with pytest.raises(BadInput, match=why) as found:
        read(path, request or Request())
    assert str(found.value).endswith(".")


@pytest.mark.parametrize("end", ["png", "tif"])
@pytest.mark.parametrize(("arrays", "largest"), [(GRAY, 255), (COLOUR, 255), (DEEP, 65535)])
def test_pixels_are_numbers_from_0_to_1_in_c_order(tmp_path, arrays, largest, end):
    frame = read_folder(folder(tmp_path, arrays, end), Request())
    np.testing.assert_array_equal(frame.x, arrays.reshape(3, -1) / largest)
    np.testing.assert_array_equal(frame.x[1].reshape(frame.shape).squeeze(), arrays[1] / largest)
    assert frame.samples.texts() == ["p0", "p1", "p2"]
    assert (frame.unit, frame.x.dtype, frame.sheet) == ("intensity", np.float64, {})


def test_hand_packed_pixels_and_the_names_of_their_columns(tmp_path):
    (tmp_path / "a.png").write_bytes(png(8, 2, [[0, 51, 255, 1, 2, 3]]))
    (tmp_path / "b.png").write_bytes(png(8, 2, [[255, 0, 0, 0, 0, 0]]))
    frame = read_folder(tmp_path, Request())
    np.testing.assert_array_equal(frame.x[0], np.array([0, 51, 255, 1, 2, 3]) / 255)
    assert frame.names[:4] == ("px_000_000_0", "px_000_000_1", "px_000_000_2", "px_000_001_0")
    assert frame.shape == (1, 2, 3)


def test_jpeg_pixels_are_those_of_pillow(tmp_path):
    folder(tmp_path, COLOUR, "jpg")
    frame = read_folder(tmp_path, Request())
    oracle = [np.asarray(Image.open(tmp_path / f"p{k}.jpg")).reshape(-1) / 255 for k in range(3)]
    np.testing.assert_array_equal(frame.x, oracle)


def test_the_order_of_bytes_of_a_tiff_file_does_not_matter(tmp_path):
    frame = read_folder(folder(tmp_path, DEEP.astype(">u2"), "tif"), Request())
    assert (tmp_path / "p0.tif").read_bytes()[:2] == b"MM"
    np.testing.assert_array_equal(frame.x, DEEP.reshape(3, -1) / 65535)


@pytest.mark.parametrize("arrays", [GRAY, COLOUR, DEEP])
def test_a_folder_and_an_npz_file_give_the_same_frame(tmp_path, arrays):
    path = npz(tmp_path, images=arrays, samples=np.array(["p0", "p1", "p2"]))
    one, other = read_npz(path, Request()), read_folder(folder(tmp_path, arrays), Request())
    np.testing.assert_array_equal(one.x, other.x)
    assert (one.names, one.shape) == (other.names, other.shape)
    assert one.samples.texts() == other.samples.texts()


@pytest.mark.parametrize("arrays", [GRAY, COLOUR, DEEP])
def test_a_size_gives_the_mean_of_each_area(tmp_path, arrays):
    arrays = np.repeat(arrays[:, :, :4], 3, axis=1)  # 12 x 4
    largest = np.iinfo(arrays.dtype).max
    oracle = arrays.reshape(3, 2, 6, 2, 2, -1).mean(axis=(2, 4)) / largest
    for frame in (
        read_folder(folder(tmp_path, arrays), SMALL),
        read_npz(npz(tmp_path, images=arrays), SMALL),
    ):
        np.testing.assert_allclose(frame.x, oracle.reshape(3, -1), rtol=0, atol=1e-6)
        assert "resized to 2x2" in " ".join(frame.notes)


def test_images_of_different_sizes_need_the_option_size(tmp_path):
    folder(tmp_path, [GRAY[0], GRAY[1], GRAY[2, :, :4]])
    refused(read_folder, tmp_path, r"p2\.png: expected \(4, 5, 1\) .*p0\.png, got \(4, 4, 1\)")
    assert read_folder(tmp_path, SMALL).x.shape == (3, 4)


@pytest.mark.parametrize("other", [COLOUR[0], DEEP[0]])
@pytest.mark.parametrize("request_", [Request(), SMALL])
def test_images_of_different_kinds_are_refused(tmp_path, other, request_):
    refused(read_folder, folder(tmp_path, [GRAY[0], other]), r"p1\.png: expected ", request_)


@pytest.mark.parametrize("end", ["png", "jpg", "tif"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_images_are_turned_as_exif_says(tmp_path, end, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    flat = np.full((16, 24), 40, dtype="u1")
    flat[:8, :8] = 200  # a block of JPEG
    folder(tmp_path, [flat], end, exif=exif)
    frame = read_folder(tmp_path, Request())
    oracle = np.rot90(flat, {1: 0, 3: 2, 6: -1, 8: 1}[orientation])
    np.testing.assert_allclose(frame.x[0].reshape(frame.shape)[:, :, 0] * 255, oracle, atol=1.01)
    assert ("Exif" in " ".join(frame.notes)) == (orientation != 1)


def test_metadata_do_not_enter_the_frame(tmp_path):
    from PIL.PngImagePlugin import PngInfo

    text, exif = PngInfo(), Image.Exif()
    text.add_text("PatientName", "SECRET")
    exif[0x010E] = "SECRET"
    folder(tmp_path, GRAY, pnginfo=text, exif=exif)
    frame = read_folder(tmp_path, Request())
    assert "SECRET" not in f"{frame.notes}{frame.names}{frame.sheet}{frame.samples}{frame.labels}"


def test_folders_within_are_words_and_other_files_are_said(tmp_path):
    for name in ("ill", "well"):
        (tmp_path / name).mkdir()
        folder(tmp_path / name, GRAY[:2])
    (tmp_path / "readme.txt").write_text("x")
    (tmp_path / "ill" / "._p0.png").write_bytes(b"\0")
    frame = read_folder(tmp_path, Request())
    assert frame.sheet["folder"].texts() == ["ill", "ill", "well", "well"]
    assert frame.samples.texts() == ["ill/p0", "ill/p1", "well/p0", "well/p1"]
    assert "1 files are no images" in " ".join(frame.notes)


def test_a_sheet_joins_images_by_their_names(tmp_path):
    frame = read_folder(folder(tmp_path, GRAY), Request())
    sheet = Frame("s.csv", np.zeros((2, 0)), (), {"id": Words.of(["p2", "p0"])})
    joined = join_frames([sheet, frame], "id", "id", Findings())
    np.testing.assert_array_equal(joined.others[0].x, GRAY[[2, 0]].reshape(2, -1) / 255)


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ("P", "a palette"),
        ("RGBA", "transparency"),
        ("LA", "transparency"),
        ("1", "kind 1"),
        ("I", "kind I|16 bits"),
    ],
)
def test_other_kinds_of_pixels_are_refused(tmp_path, mode, why):
    end = "tif" if mode == "I" else "png"
    Image.fromarray(GRAY[0]).convert(mode).save(tmp_path / f"a.{end}")
    refused(read_folder, tmp_path, why)


def test_pixels_that_pillow_would_change_are_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(png(16, 2, [[0, 256, 65535]]))
    refused(read_folder, tmp_path, "16 bits, which cannot be read as they are")
    (tmp_path / "a.png").write_bytes(png(16, 4, [[256, 65535]]))
    refused(read_folder, tmp_path, "transparency")
    Image.fromarray(GRAY[0]).save(tmp_path / "a.png", transparency=3)
    refused(read_folder, tmp_path, "transparency")


def test_tiff_files_of_several_images_or_with_white_as_zero_are_refused(tmp_path):
    pages = [Image.fromarray(a) for a in GRAY]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    refused(read_folder, tmp_path, "3 images in one file")
    Image.fromarray(DEEP[0]).save(tmp_path / "a.tif", tiffinfo={262: 0})
    refused(read_folder, tmp_path, "0 is white")


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path, monkeypatch):
    folder(tmp_path, GRAY)
    for limit in (19, 9):  # a warning of Pillow, and an error
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        refused(read_folder, tmp_path, f"at most {limit} pixels, got more", SMALL)


def test_too_large_images_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    head = png(8, 0, [[0]])
    head = head[:16] + struct.pack(">II", 9000, 9000) + head[24:29]
    head += struct.pack(">I", zlib.crc32(head[12:29])) + png(8, 0, [[0]])[33:]
    (tmp_path / "a.png").write_bytes(head)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    refused(read_folder, tmp_path, "at most 196608 numbers an image, got 81000000")


def test_too_many_values_are_refused_before_there_is_room(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "MAX_VALUES", 59)
    monkeypatch.setattr(images.np, "empty", lambda shape: np.zeros((0, 0)))
    refused(read_folder, folder(tmp_path, GRAY), "3 rows and 20 columns, more than the 59 values")
    refused(read_npz, npz(tmp_path, images=GRAY), "more than the 59 values")


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.dcm", bytes(128) + b"DICM", "got DICOM, which is not read; export PNG"),
        ("IM0001", bytes(128) + b"DICM", "got DICOM"),
        ("a.bmp", b"BM", "got bmp"),
        ("a.png", b"", r"a\.png: expected PNG, JPEG or TIFF, got other or damaged bytes"),
        ("a.png", b"GIF89a\1\0\1\0", "other or damaged"),
        ("a.png", png(8, 0, [[1, 2, 3]])[:46], "other or damaged"),
        ("a.tif", b"II*\0\x08\0\0\0\xff\xff" + bytes(40), "other or damaged"),
        ("a.txt", b"x", "has no image"),
    ],
)
def test_other_and_damaged_files_are_refused(tmp_path, name, data, why):
    (tmp_path / name).write_bytes(data)
    refused(read_folder, tmp_path, why)


def test_arrays_of_an_npz_file_are_samples_and_words(tmp_path):
    more = {"age": np.array([7.0, np.nan, 8.5]), "sex": np.array([b"f", b"m", b"\xff"])}
    path = npz(tmp_path, images=GRAY, samples=np.array([3, 1, 2]), **more)
    frame = read_npz(path, Request())
    assert frame.samples.texts() == ["3", "1", "2"]
    assert frame.sheet["age"].texts() == ["7", None, "8.5"]
    assert frame.sheet["sex"].texts() == ["f", "m", "\\xff"]
    floats = read_npz(npz(tmp_path, images=GRAY[..., None] / 255), Request())
    np.testing.assert_array_equal(floats.x, frame.x)


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"x": GRAY}, "expected an array 'images', got 'x'"),
        ({"images": GRAY[0]}, r"expected images of the shape .*, got \(4, 5\)"),
        ({"images": GRAY[:0]}, "expected images of the shape"),
        ({"images": GRAY.astype("i8")}, "image 1: expected pixels as uint8, .* got int64"),
        ({"images": GRAY.astype("f8")}, "got float64 beyond these"),
        ({"images": np.full((1, 2, 2), np.nan)}, "got float64 beyond these"),
        (
            {"images": np.array([None])},
            r"array 'images\.npy': .* got Python objects \(never unpickled\)",
        ),
        ({"images": GRAY, "samples": np.array(["a", "b"])}, "array 'samples': .* 3 images"),
        ({"images": GRAY, "samples": np.array(["a", 1, None], dtype=object)}, "got Python objects"),
        ({"images": GRAY, "place": np.zeros((3, 2))}, "array 'place': expected a text or a number"),
    ],
)
def test_other_arrays_are_refused(tmp_path, arrays, why):
    refused(read_npz, npz(tmp_path, **arrays), why)


def test_a_damaged_npz_file_is_refused(tmp_path):
    path = npz(tmp_path, images=GRAY)
    data = path.read_bytes()
    for broken in (b"", data[: len(data) // 2], data[:60] + b"\xff" * 20 + data[80:]):
        path.write_bytes(broken)
        refused(read_npz, path, "cannot be read as an .npz file")
    refused(read_npz, tmp_path / "none.npz", "There is no file")


def test_a_header_that_promises_more_than_its_file_is_refused(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((3, 4, 5), dtype="u1"))
    data = buffer.getvalue().replace(b"(3, 4, 5), }        ", b"(999999999, 999, 9)}")
    assert b"999999999" in data
    with zipfile.ZipFile(tmp_path / "i.npz", "w") as archive:
        archive.writestr("images.npy", data)
    refused(read_npz, tmp_path / "i.npz", "cannot be read as an .npz file")


@pytest.mark.parametrize("size", ["64", "0x5", "64x64x3", "999999x1"])
def test_a_size_that_is_none_is_refused(tmp_path, size):
    request = Request(options={"size": size})
    refused(read_folder, folder(tmp_path, GRAY), "option size as height x width", request)
