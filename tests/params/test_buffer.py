"""Arrays to canonical buffers and back, and safetensors as the library reads it."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from swarmhub.errors import BlobError, DiskError, Malformed
from swarmhub.params import (
    ALIGNMENT,
    CHUNK_BYTES,
    DTYPES,
    ChunkHasher,
    Layout,
    Tensor,
    arrays_from,
    buffer_of,
    export_safetensors,
    import_safetensors,
    read_into,
    save_safetensors,
    write_buffer,
)
from swarmhub.params.buffer import is_in_range, layout_of

KINDS = sorted(set(DTYPES) - {"BF16"})
some_arrays = st.dictionaries(
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=5),
    st.sampled_from(KINDS).flatmap(
        lambda k: hnp.arrays(DTYPES[k], hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
    ),
    max_size=5,
)


def same(one, other):
    """Equal names, types, shapes and bits (a NaN equals itself)."""
    assert sorted(one) == sorted(other)
    for name, array in one.items():
        assert array.dtype == other[name].dtype, name
        assert array.shape == other[name].shape, name
        assert array.tobytes() == other[name].tobytes(), name


# buffers


@settings(deadline=None)
@given(some_arrays)
def test_arrays_go_in_and_come_out(arrays):
    layout, data = buffer_of(arrays)
    assert len(data) == layout.nbytes
    same(arrays_from(io.BytesIO(data), layout), arrays)


@settings(deadline=None)
@given(some_arrays)
def test_the_buffer_is_the_arrays_at_their_offsets_and_zeros(arrays):
    layout, data = buffer_of(arrays)
    expected = bytearray(layout.nbytes)
    for tensor, offset in zip(layout.tensors, layout.offsets, strict=True):
        expected[offset : offset + tensor.nbytes] = arrays[tensor.name].tobytes()
    assert data == bytes(expected)


@settings(deadline=None)
@given(some_arrays)
def test_existing_arrays_are_filled_in_place(arrays):
    layout, data = buffer_of(arrays)
    into = {name: np.ones_like(a, order="C") for name, a in arrays.items()}
    read_into(io.BytesIO(data), layout, into)
    same(into, arrays)


def test_memory_order_and_byte_order_do_not_matter():
    plain = np.arange(12, dtype="<f4").reshape(3, 4)
    _, expected = buffer_of({"w": plain})
    for other in (
        np.asfortranarray(plain), plain.astype(">f4"), np.repeat(plain, 2, axis=1)[:, ::2],
        plain[::-1][::-1],
    ):  # fmt: skip
        layout, data = buffer_of({"w": other})
        assert data == expected
        assert layout == layout_of({"w": plain})


def test_bf16_is_handed_over_as_its_bits():
    bits = np.array([0x3F80, 0xFF80, 1], np.uint16)
    layout, data = buffer_of({"w": bits}, bf16=["w"])
    assert layout.tensors[0].dtype == "BF16"
    same(arrays_from(io.BytesIO(data), layout), {"w": bits})


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"w": np.zeros(3, "f4"), "more": np.zeros(1, "f4")},
        {"v": np.zeros(3, "f4")},
        {"w": np.zeros(4, "f4")},
        {"w": np.zeros((3, 1), "f4")},
        {"w": np.zeros((), "f4")},
    ],
    ids=["missing", "more", "other name", "longer", "other rank", "scalar"],
)
def test_arrays_that_are_not_the_layouts_are_refused(arrays):
    with pytest.raises(Malformed):
        write_buffer(arrays, Layout.of([Tensor("w", "F32", (3,))]), io.BytesIO())


def test_a_file_of_another_length_is_refused_before_it_is_read():
    layout, data = buffer_of({"w": np.zeros(30, "f4")})
    for bad in (data[:-1], data + b"\0", b""):
        with pytest.raises(BlobError, match="bytes"):
            arrays_from(io.BytesIO(bad), layout)


def test_a_file_that_ends_early_is_refused():
    layout, data = buffer_of({"w": np.zeros(30, "f4")})
    with pytest.raises(BlobError, match="shorter"):
        read_into(io.BytesIO(data[:50]), layout, {"w": np.zeros(30, "f4")})


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(4, "f4"),
        np.zeros((3, 1), "f4"),
        np.zeros(6, "f4")[::2],
        np.zeros(3, "i4"),
        np.zeros(3, ">f4"),
        np.zeros(3, "f8"),
        np.zeros(3, "f2"),
    ],
    ids=["longer", "other rank", "gaps", "integers", "big-endian", "wider", "narrower"],
)
def test_only_arrays_of_the_layouts_shape_and_type_are_filled(array):
    layout, data = buffer_of({"v": np.ones(3, "f4"), "w": np.ones(3, "f4")})
    before = array.copy()
    with pytest.raises(Malformed):
        read_into(io.BytesIO(data), layout, {"v": np.zeros(3, "f4"), "w": array})
    assert array.tobytes() == before.tobytes()


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16"])
def test_infinities_and_nans_are_seen(dtype):
    good = np.array([0, 1, -2], DTYPES[dtype])
    assert is_in_range(good, dtype)
    for bad in (np.inf, -np.inf, np.nan):
        assert not is_in_range(np.append(good, bad).astype(DTYPES[dtype]), dtype)


def test_a_float64_that_could_overflow_a_sum_is_out_of_range():
    assert is_in_range(np.array([1e140, -1e140]), "F64")
    for bad in (1.0000001e140, -1e141):
        assert not is_in_range(np.array([0, bad]), "F64")


def test_infinities_and_nans_are_seen_in_bf16_bits():
    assert is_in_range(np.array([0, 0x3F80, 0x7F7F, 0xFF7F], np.uint16), "BF16")
    for bad in (0x7F80, 0xFF80, 0x7FC0, 0x7F81):
        assert not is_in_range(np.array([0, bad], np.uint16), "BF16")


def test_integers_are_finite():
    assert is_in_range(np.array([-1, 2**62]), "I64")
    assert is_in_range(np.array([True]), "BOOL")


# safetensors

EVERY = {
    "half": np.array([1.5, -0.0, 6e-8], np.float16),
    "single": np.arange(6, dtype=np.float32).reshape(2, 3),
    "double": np.array([np.pi]),
    "long": np.array([-(2**62), 2**62]),
    "int": np.array([[1], [2]], np.int32),
    "short": np.array([-3], np.int16),
    "byte": np.array([-128, 127], np.int8),
    "unsigned": np.arange(256, dtype=np.uint8),
    "flag": np.array([True, False, True]),
    "scalar": np.array(7.0, np.float32),
    "empty": np.zeros((0, 4), np.float32),
    "é name": np.zeros(1, np.float32),
}


def digest_of(data, layout):
    hasher = ChunkHasher(layout.digest)
    for at in range(0, len(data), CHUNK_BYTES):
        hasher.feed(data[at : at + CHUNK_BYTES])
    return hasher.finish().digest


def exported(arrays, folder, metadata=None, bf16=()):
    layout, data = buffer_of(arrays, bf16)
    buffer, out = folder / "buffer", folder / "model.safetensors"
    buffer.write_bytes(data)
    export_safetensors(buffer, layout, out, metadata or {}, digest_of(data, layout))
    assert sorted(p.name for p in folder.iterdir()) == ["buffer", "model.safetensors"]
    return out


def test_the_library_reads_what_we_export(tmp_path):
    out = exported(EVERY, tmp_path, {"study": "heart", "digest": "ab"})
    same(load_file(out), EVERY)
    same(import_safetensors(out), EVERY)
    with safe_open(out, "np") as file:
        assert file.metadata() == {"study": "heart", "digest": "ab"}


def test_a_model_of_many_chunks_is_exported(tmp_path):
    random = np.random.default_rng(7)
    arrays = {
        "a": random.standard_normal(3 * CHUNK_BYTES // 4 + 5).astype(np.float32),
        "b": random.integers(0, 255, CHUNK_BYTES + 1, dtype=np.uint8),
        "c": random.standard_normal((300, 1001)),
    }
    same(load_file(exported(arrays, tmp_path)), arrays)


@settings(deadline=None, max_examples=30)
@given(some_arrays)
def test_any_arrays_are_exported(tmp_path_factory, arrays):
    same(load_file(exported(arrays, tmp_path_factory.mktemp("any"))), arrays)


def test_bf16_keeps_its_bits(tmp_path):
    out = exported({"w": np.array([0x3F80, 0x4000], np.uint16)}, tmp_path, bf16=["w"])
    header_bytes = int.from_bytes(out.read_bytes()[:8], "little")
    header = json.loads(out.read_bytes()[8 : 8 + header_bytes])
    assert header["w"] == {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}
    assert out.read_bytes()[-4:] == b"\x80\x3f\x00\x40"
    with safe_open(out, "np") as file:
        assert list(file.keys()) == ["w"]


def test_the_data_of_the_export_is_aligned(tmp_path):
    out = exported(EVERY, tmp_path, {"some": "words"})
    assert int.from_bytes(out.read_bytes()[:8], "little") % 8 == 0
    assert ALIGNMENT % 8 == 0


def test_a_torn_buffer_is_not_exported(tmp_path):
    layout, data = buffer_of({"w": np.zeros(100, "f4")})
    buffer, out = tmp_path / "buffer", tmp_path / "model.safetensors"
    buffer.write_bytes(data[:200])
    with pytest.raises(BlobError, match="torn"):
        export_safetensors(buffer, layout, out, {}, digest_of(data, layout))
    assert not out.exists()


def test_a_model_that_is_written_over_while_it_is_read_is_not_exported(tmp_path):
    """A node writes a new model into the file of one that it no longer needs."""
    layout, data = buffer_of({"w": np.zeros(1000, "f4")})
    _, other = buffer_of({"w": np.ones(1000, "f4")})
    buffer, out = tmp_path / "buffer", tmp_path / "model.safetensors"
    buffer.write_bytes(data[:2048] + other[2048:])
    with pytest.raises(BlobError, match="gave way to a newer one"):
        export_safetensors(buffer, layout, out, {}, digest_of(data, layout))
    assert [p.name for p in tmp_path.iterdir()] == ["buffer"]


def test_an_export_replaces_the_one_before_only_when_it_is_complete(tmp_path):
    out = exported({"w": np.zeros(100, "f4")}, tmp_path)
    before = out.read_bytes()
    layout, data = buffer_of({"w": np.ones(100, "f4")})
    (tmp_path / "buffer").write_bytes(data[:10])
    with pytest.raises(BlobError):
        export_safetensors(tmp_path / "buffer", layout, out, {}, digest_of(data, layout))
    assert out.read_bytes() == before


def test_files_that_are_not_there_or_no_safetensors_are_one_sentence(tmp_path):
    with pytest.raises(BlobError, match="found no file"):
        import_safetensors(tmp_path / "nothing")
    for data in (b"", b"garbage!" * 20, b"\xff" * 100):
        (tmp_path / "bad").write_bytes(data)
        with pytest.raises(BlobError, match="safetensors"):
            import_safetensors(tmp_path / "bad")


def test_what_the_library_writes_is_imported(tmp_path):
    save_file(EVERY, tmp_path / "other")
    same(import_safetensors(tmp_path / "other"), EVERY)


class Short(io.BytesIO):
    """A file that gives and takes at most five bytes at a time, as one system call may."""

    def readinto(self, view):
        return super().readinto(view[:5])

    def write(self, view):
        return super().write(view[:5])


def test_a_tensor_is_read_and_written_in_as_many_parts_as_it_takes():
    arrays = {"w": np.arange(30.0)}
    layout, data = buffer_of(arrays)
    file = Short()
    write_buffer(arrays, layout, file)
    assert file.getvalue() == data
    into = {"w": np.zeros(30)}
    read_into(Short(data), layout, into)
    np.testing.assert_array_equal(into["w"], arrays["w"])


UNUSUAL = {
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "strided": np.arange(10.0)[::2],
    "backwards": np.arange(4.0)[::-1],
    "broadcast": np.broadcast_to(np.array([1.0, 2.0]), (3, 2)),
    "Fortran order": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big-endian": np.arange(3.0).astype(">f8"),
    "of no dimension": np.array(3.0),
    "empty": np.zeros((0, 3)),
    "a slice of columns": np.arange(12, dtype="i2").reshape(3, 4)[:, 1:3],
    "unsigned": np.arange(3, dtype="u8"),
    "complex": np.ones(2, np.complex64),
    "boolean": np.array([[True, False], [False, False]]).T,
}


@pytest.mark.parametrize("array", UNUSUAL.values(), ids=UNUSUAL)
def test_safetensors_keeps_values_whatever_the_strides_are(array, tmp_path):
    save_safetensors({"a": array}, tmp_path / "f.safetensors")
    found = import_safetensors(tmp_path / "f.safetensors")["a"]
    np.testing.assert_array_equal(found, array, strict=array.dtype.isnative)
    assert found.shape == array.shape


NO_NUMBERS = {
    "object": np.array([1, None]),
    "text": np.array(["a", "b"]),
    "bytes": np.array([b"a"]),
    "complex128": np.ones(2, np.complex128),
    "longdouble": np.ones(2, np.longdouble),
    "time": np.array(["2020-01-01"], "M8[D]"),
    "record": np.zeros(2, [("a", "f4")]),
    "masked": np.ma.masked_equal(np.arange(3.0), 1),
}


@pytest.mark.parametrize("array", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_what_safetensors_cannot_store_is_refused_by_name(array, tmp_path):
    with pytest.raises(Malformed, match="'momentum': "):
        save_safetensors({"momentum": array}, tmp_path / "f.safetensors")
    assert not list(tmp_path.iterdir())
    with pytest.raises(Malformed, match="'w': "):
        layout_of({"w": array})


def test_a_disk_that_does_not_take_an_array_is_said(tmp_path):
    with pytest.raises(DiskError, match="check its disk"):
        save_safetensors({"a": np.zeros(1)}, tmp_path / "none" / "f.safetensors")


def test_complex_numbers_need_a_safetensors_that_has_them(tmp_path, monkeypatch):
    def refuse(arrays):
        raise safetensors.SafetensorError("dtype complex64 is not covered")

    monkeypatch.setattr(safetensors.numpy, "save", refuse)
    with pytest.raises(Malformed, match=r"'z': Arrays of type complex64 need safetensors 0\.7"):
        save_safetensors({"z": np.ones(2, np.complex64)}, tmp_path / "f.safetensors")
    save_safetensors({"z": np.ones(2, np.float32)}, tmp_path / "f.safetensors")
