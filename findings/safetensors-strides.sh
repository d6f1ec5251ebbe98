#!/bin/sh
# safetensors 0.8.0 (Python, NumPy side) writes an array's memory as it lies, and ignores strides.
#
# save_file of a transposed or Fortran-ordered array raises nothing; load_file gives an array of the
# same shape with other values. Version 0.7.0 gives the values back as they were. Contiguous arrays
# are right in both. Known there
# as safetensors/safetensors issue 825 (Fortran order), open when this was written.
#
# Exits with 0 as long as this is so, with 1 once it is not (then the copies in
# swarmhub.params.storable could go). Needs python3 with venv, and a package index.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/probe.py" <<'PYTHON'
import sys
import numpy as np
from safetensors.numpy import load_file, save_file

arrays = {
    "contiguous": np.arange(6.0).reshape(2, 3),
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "Fortran order": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
}
right = []
for name, array in arrays.items():
    save_file({"a": array}, sys.argv[1])
    is_right = np.array_equal(load_file(sys.argv[1])["a"], array)
    right.append(is_right)
    print(f"  {name}: {'comes back as it was' if is_right else 'comes back with OTHER VALUES'}")
expected = [True] + [sys.argv[2] == "copies"] * 2
sys.exit(right != expected)
PYTHON

changed=0
for version in "0.7.0 copies" "0.8.0 ignores"; do
    set -- $version
    python3 -m venv "$folder/$1"
    "$folder/$1/bin/pip" install --quiet --disable-pip-version-check "safetensors==$1" "numpy==2.2.6"
    echo "safetensors $1:"
    "$folder/$1/bin/python" "$folder/probe.py" "$folder/probe.safetensors" "$2" || changed=1
done
if [ "$changed" -ne 0 ]; then
    echo "This has changed: see the lines above."
    exit 1
fi
echo "As stated: 0.8.0 ignores strides without a word, 0.7.0 did not."
