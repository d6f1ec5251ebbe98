#!/bin/sh
# neuroCombat 0.2.12 gives a gene that is 0 in all samples another value for each batch; inmoose 0.9.1
# gives NaN for the whole table.
#
# A gene that no sample expresses is 0 everywhere. R's sva takes genes without variance within a batch
# out, with a message, and puts them back as they were. neuroCombat standardises such a gene by
# median(var != 0), which is 1 and not the median variance (its open pull request 21); the gene then
# gets the batches' shifts (-0.36, 0.23 and 0.27 below), and takes part in their priors, so that all
# other genes get other values than without it. inmoose's pycombat_norm divides by 0, and the NaN
# spreads over the priors to all genes and samples. With a constant of 0.1 the residuals may be
# rounding errors and not 0; then the gene stays, but still moves the others. Nothing is raised; NumPy
# may warn.
#
# Exits with 0 as long as this is so, with 1 once it is not. Needs python3 with venv, and a package
# index. swarmhub leaves such a gene as it is, and out of the priors.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/probe.py" <<'PYTHON'
import contextlib
import io
import sys
import numpy as np
import pandas as pd
from inmoose.pycombat import pycombat_norm
from neuroCombat import neuroCombat

rng = np.random.default_rng(0)
batch = np.repeat(["a", "b", "c"], [10, 12, 8])
table = rng.normal(8, 1, size=(50, 1)) + rng.normal(size=(50, 30))  # genes x samples
table[:, 10:22] += 1
GENE = 3


def neuro(x):
    with contextlib.redirect_stdout(io.StringIO()):
        return neuroCombat(x, pd.DataFrame({"batch": batch}), "batch")["data"]


found = {}
for value in (0.0, 0.1):  # rounding decides about 0.1
    x = table.copy()
    x[GENE] = value
    done, other = neuro(x), np.asarray(pycombat_norm(x, list(batch)))
    levels = sorted(set(done[GENE].round(3).tolist()))
    moved = np.abs(np.delete(done, GENE, 0) - neuro(np.delete(x, GENE, 0))).max()
    lost = float(np.isnan(other).mean())
    found[value] = (len(levels), lost, moved > 0.01)
    print(f"  a gene that is {value:g} everywhere: neuroCombat gives {levels},")
    print(f"    the other genes move by up to {moved:.3f}; share of NaN from inmoose: {lost:g}")
sys.exit(found[0.0] != (3, 1.0, True))
PYTHON

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "neuroCombat==0.2.12" \
    "inmoose==0.9.1" "numpy==2.4.6" "pandas==2.3.3" "scipy==1.17.1"
if ! "$folder/venv/bin/python" -W ignore "$folder/probe.py"; then
    echo "This has changed: see the lines above."
    exit 1
fi
echo "As stated: three values for a gene that is 0 everywhere, and NaN for the whole table."
