#!/bin/sh
# Pillow 13.0.0 turns round the grey values of a TIFF file with "white is zero" if it has 8 bits, and
# not if it has 16.
#
# A TIFF file says by the tag PhotometricInterpretation whether 0 is black (1) or white (0); some
# devices for X-rays write white. Pillow reads the 8-bit file as 255 minus the stored value, so that
# 0 is black, and the 16-bit file as it is stored, so that 0 is white, both in silence and without a
# trace in the mode. The same picture exported by two hospitals with 8 and 16 bits is a positive at
# one and a negative at the other. tifffile gives the stored values of both.
#
# Exits with 0 as long as this is so, with 1 once it is not. Needs python3 with venv, and a package
# index.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/probe.py" <<'PYTHON'
import sys

import numpy as np
import tifffile
from PIL import Image

read = {}
for kind, largest in (("uint8", 255), ("uint16", 65535)):
    stored = np.array([[0, largest]], dtype=kind)
    tifffile.imwrite(sys.argv[1], stored, photometric="miniswhite")
    with Image.open(sys.argv[1]) as image:
        read[kind] = np.asarray(image).tolist()
        print(f"  {kind}, white is zero: stored {stored.tolist()}, tifffile",
              tifffile.imread(sys.argv[1]).tolist(), f"Pillow (mode {image.mode})", read[kind])
sys.exit(read != {"uint8": [[255, 0]], "uint16": [[0, 65535]]})
PYTHON

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "pillow==13.0.0" \
    "tifffile==2026.3.3" "numpy==2.4.6"
if ! "$folder/venv/bin/python" "$folder/probe.py" "$folder/probe.tif"; then
    echo "This has changed: see the lines above."
    exit 1
fi
echo "As stated: 8 bits are turned round, 16 bits are not, without a word."
