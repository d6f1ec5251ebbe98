#!/bin/sh
# bed-reader 1.1.0 counts the first allele of a .bim file, pandas-plink 2.3.2 the second one.
#
# The same PLINK 1 files give the dosages 2, 1, 0 in one library and 0, 1, 2 in the other, each by
# its defaults and without a warning. The names add to it: PLINK calls the first allele of a line A1
# and the second one A2, and pandas-plink calls them "a0" and "a1". So `count_A1=True` of bed-reader
# and `ref="a1"` of pandas-plink, which are both the defaults, name different alleles. If one
# hospital prepares its table with the one and another hospital with the other, all effects of a
# common model have the wrong sign at one of them.
#
# Exits with 0 as long as this is so, with 1 once it is not. The files are packed by hand from the
# definition of the format: two bits a sample, 00 is two copies of the first allele of the line, 10
# (as a number: 2) is one copy, 11 none, 01 missing. Needs python3 (3.10 to 3.12) with venv, and a
# package index.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/probe.py" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
from bed_reader import open_bed
from pandas_plink import read_plink, read_plink1_bin

start = Path(sys.argv[1])
start.with_suffix(".fam").write_text("".join(f"0 s{k} 0 0 0 -9\n" for k in range(4)))
start.with_suffix(".bim").write_text("1 rs1 0 100 A G\n".replace(" ", "\t"))
start.with_suffix(".bed").write_bytes(bytes([0x6C, 0x1B, 1, 0b00 | 0b10 << 2 | 0b11 << 4 | 0b01 << 6]))

one = open_bed(start.with_suffix(".bed"))
first = one.read()[:, 0]
bim, _, dosages = read_plink(str(start), verbose=False)
second = dosages.compute()[0]
array = read_plink1_bin(str(start.with_suffix(".bed")), verbose=False)
names = str(array.a0.values[0]), str(array.a1.values[0])
print("  the .bim file: A G; samples AA, AG, GG, missing")
print("  bed-reader:", first.tolist(), "allele_1", one.allele_1[0], "allele_2", one.allele_2[0])
print("  pandas-plink, read_plink:", second.tolist(), "a0", bim.a0[0], "a1", bim.a1[0])
print("  pandas-plink, read_plink1_bin:", array.values[:, 0].tolist(), "a0", names[0], "a1", names[1])
as_stated = (
    np.array_equal(first, [2, 1, 0, np.nan], equal_nan=True)
    and np.array_equal(second, [0, 1, 2, np.nan], equal_nan=True)
    and np.array_equal(array.values[:, 0], second, equal_nan=True)
    and (one.allele_1[0], one.allele_2[0]) == names == ("A", "G")
)
sys.exit(not as_stated)
PYTHON

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "bed-reader==1.1.0" \
    "pandas-plink==2.3.2" "numpy==1.26.4" "pandas==2.3.3"
if ! "$folder/venv/bin/python" -W ignore "$folder/probe.py" "$folder/probe"; then
    echo "This has changed: see the lines above."
    exit 1
fi
echo "As stated: the two libraries count different alleles, without a word."
