"""The packaged vectors. `SWARMHUB_REGENERATE=1 pytest tests/merge/test_merge_vectors.py` rewrites
them: only when a rule's definition changes, and then every member must update together."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from merge_oracles import column_oracle, nearest_even, value_of

import swarmhub.merge
from swarmhub import codec
from swarmhub.errors import MergeError
from swarmhub.merge import Rule, merge_parameters, self_test, vectors
from swarmhub.merge.rules import NAMES, WEIGHTED
from swarmhub.merge.wire import FORMATS
from swarmhub.params import DTYPES, Layout, Tensor

PATH = Path(swarmhub.merge.__file__).with_name("vectors.json")
MEMBERS = {2: 1, 3: 70, 5: 12_345, 8: 999}  # id -> weight
ELEMENTS = 6
SPECIAL = {  # bits that a merge gets wrong first: -0, subnormals, largest, one
    "F64": [1 << 63, 1, 0x000FFFFFFFFFFFFF, 0x5CF0000000000000, 0x3FF0000000000001],
    "F32": [1 << 31, 1, 0x007FFFFF, 0x7F7FFFFF, 0x3F800001],
    "F16": [1 << 15, 1, 0x03FF, 0x7BFF, 0x3C01],
    "BF16": [1 << 15, 1, 0x007F, 0x7F7F, 0x3F81],
}


def generate() -> dict:
    """The document vectors.json: what `compute` gives on this machine."""
    rng = np.random.default_rng(20_24)
    names = list(DTYPES)
    layout = Layout.of([Tensor(n, n, (ELEMENTS,)) for n in names])
    inputs = []
    for place, (member, weight) in enumerate(MEMBERS.items()):
        tensors = {}
        for name in names:
            size = DTYPES[name].itemsize
            if name in SPECIAL:
                # column k: the special value k at one member, half of them small at the others
                raw = np.frombuffer(rng.bytes(8 * ELEMENTS), "<u8") >> np.uint64(64 - 8 * size)
                one = np.uint64(SPECIAL[name][-1])
                raw = (raw & ~one) % np.uint64(SPECIAL[name][2] + 1) + one
                raw[1:3] = raw[1:3] % np.uint64(7)  # subnormal columns: sums that end in ties
                for k, special in enumerate(SPECIAL[name]):
                    if k % len(MEMBERS) == place:
                        raw[k] = special
                array = raw.astype(f"<u{size}")
            elif name == "BOOL":
                array = rng.integers(0, 2, ELEMENTS).astype(bool)
            else:
                array = np.frombuffer(rng.bytes(size * ELEMENTS), DTYPES[name])
            tensors[name] = array.tobytes().hex()
        inputs.append({"member": member, "weight": weight, "tensors": tensors})
    base = {name: make_base(rng, name) for name in names}
    wired = generate_wire()
    found = vectors.Vectors(
        layout, tuple(vectors.Input(**i) for i in inputs), base, 250, 400, {}, {}, wired
    )  # fmt: skip
    expected = {name: vectors.compute(found, Rule(name, 250)) for name in NAMES}
    capped = {name: vectors.compute(found, Rule(name, 250, 400)) for name in sorted(WEIGHTED)}
    return {
        "layout": json.loads(layout.pack()),
        "inputs": inputs,
        "base": base,
        "trim_permille": 250,
        "max_share_permille": 400,
        "expected": expected,
        "capped": capped,
        "wire": codec.to_json(wired),
    }


def generate_wire() -> vectors.WireVectors:
    """Members near a base of numbers near one, some of which do not move; an integer."""
    rng = np.random.default_rng(20_76)
    names = ["BF16", "F16", "F32", "F64", "I64"]
    layout = Layout.of([Tensor(n, n, (ELEMENTS,)) for n in names])

    def tensors() -> dict[str, str]:
        return {n: make_base(rng, n) for n in names[:4]} | {"I64": rng.bytes(8 * ELEMENTS).hex()}

    base = tensors()
    inputs = tuple(
        vectors.Input(m, w, tensors() | {"BF16": base["BF16"]}) for m, w in MEMBERS.items()
    )
    found = vectors.WireVectors(layout, inputs, base, {}, {})
    made = {form: vectors.compute_wire(found, form) for form in FORMATS}
    return replace(
        found,
        settled={form: change for form, (change, _) in made.items()},
        models={form: model for form, (_, model) in made.items()},
    )


def make_base(rng: np.random.Generator, name: str) -> str:
    """A tensor of the model before: numbers near one, the rest zeros."""
    if name not in SPECIAL:
        return bytes(ELEMENTS * DTYPES[name].itemsize).hex()
    one = SPECIAL[name][-1]
    bits = one + rng.integers(0, 64, ELEMENTS)
    return bits.astype(f"<u{DTYPES[name].itemsize}").tobytes().hex()


def test_the_packaged_vectors_are_what_the_generator_makes():
    if os.environ.get("SWARMHUB_REGENERATE"):
        PATH.write_text(json.dumps(generate(), indent=1, sort_keys=True) + "\n")
    assert json.loads(PATH.read_text()) == generate()
    assert PATH.stat().st_size < 20_000


def test_the_vectors_cover_every_rule_and_type_and_a_subnormal_result():
    packaged = vectors.packaged()
    assert set(packaged.expected) == set(NAMES)
    assert set(packaged.capped) == WEIGHTED
    assert all(packaged.capped[name] != packaged.expected[name] for name in WEIGHTED)
    assert {t.dtype for t in packaged.layout.tensors} == set(DTYPES)
    for expected in (*packaged.expected.values(), *packaged.capped.values()):
        assert set(expected) == set(DTYPES)
    f64 = np.frombuffer(bytes.fromhex(packaged.expected["weighted_mean"]["F64"]), "<f8")
    assert (np.abs(f64[1:3]) > 0).any()
    assert (np.abs(f64[1:3]) < np.finfo(np.float64).tiny).any()


@pytest.mark.parametrize("rule", ["weighted_mean", "coordinate_median", "trimmed_mean"])
@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
def test_the_expected_bits_are_those_of_python_floats_and_fractions(rule, dtype):
    packaged = vectors.packaged()
    unsigned = f"<u{DTYPES[dtype].itemsize}"
    rows = [np.frombuffer(bytes.fromhex(i.tensors[dtype]), unsigned) for i in packaged.inputs]
    weights = [i.weight for i in packaged.inputs]
    expected = np.frombuffer(bytes.fromhex(packaged.expected[rule][dtype]), unsigned)
    for column, bits in zip(np.array(rows).T, expected, strict=True):
        values = [value_of(int(b), dtype) for b in column]
        value = column_oracle(rule, values, weights, packaged.trim_permille)
        if dtype == "F64":
            assert int(np.array(value).view(np.uint64)) == int(bits)
        else:
            assert nearest_even(value, dtype) == int(bits)


def test_this_machine_passes():
    self_test()


def test_a_machine_with_another_arithmetic_is_told_so_in_one_sentence(monkeypatch):
    def off_by_one_bit(rule: Rule, layout, contributions, base):
        for chunk in merge_parameters(rule, layout, contributions, base):
            changed = bytearray(chunk)
            changed[0] ^= 1
            yield bytes(changed)

    monkeypatch.setattr(vectors, "merge_parameters", off_by_one_bit)
    with pytest.raises(MergeError, match="arithmetic differs") as caught:
        self_test()
    assert str(caught.value).count(". ") == 0
