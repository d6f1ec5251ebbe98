#!/bin/sh
# xgboost 3.2.0 takes twice the curvature of the softmax loss: with several classes the first leaf is
# half of Newton's step, with two classes it is the whole.
#
# One tree without a split (a constant column), no penalty, a learning rate of 1 and a margin of 0:
# the leaf is -(sum of gradients) / (sum of curvatures). For class k of K the gradient is p - y and the
# second derivative p (1 - p); the leaves of multi:softprob are those of 2 p (1 - p), those of
# binary:logistic of p (1 - p). So the same learning rate means another step in the two objectives, and
# trees of one's own that follow the published formulas differ by a factor of two for several classes.
#
# Exits with 0 as long as this is so, with 1 once it is not (then `slopes` in swarmhub.recipes.trees
# should follow). Needs python3 with venv, and a package index.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/probe.py" <<'PYTHON'
import sys
import numpy as np
import xgboost

x = np.zeros((10, 1))
common = {"eta": 1.0, "lambda": 0.0, "min_child_weight": 0.0, "base_score": 0.5, "tree_method": "exact"}


def leaves(objective, y, **more):
    data = xgboost.DMatrix(x, label=y)
    made = xgboost.train({**common, "objective": objective, **more}, data, num_boost_round=1)
    return made.predict(data, output_margin=True)[0] - more.get("base", 0.0)


three = np.array([0] * 5 + [1] * 3 + [2] * 2)
several = leaves("multi:softprob", three, num_class=3)
several = several - 0.5  # the margin of the start
shares, p = np.array([0.5, 0.3, 0.2]), 1 / 3
newton = (shares - p) / (p * (1 - p))
two = leaves("binary:logistic", (three == 0).astype(float))
print("  several classes, leaves:", several.round(4).tolist(), "Newton's steps:", newton.round(4).tolist())
skewed = leaves("binary:logistic", (three == 2).astype(float))
whole = (0.2 - 0.5) / 0.25
print("  two classes, leaf:", round(float(skewed), 4), "Newton's step:", round(whole, 4))
as_stated = np.allclose(several, newton / 2, atol=1e-5) and abs(skewed - whole) < 1e-5
sys.exit(not as_stated)
PYTHON

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "xgboost==3.2.0" "numpy==2.4.6" "scipy==1.16.3"
if ! "$folder/venv/bin/python" "$folder/probe.py"; then
    echo "This has changed: see the lines above."
    exit 1
fi
echo "As stated: the leaves of several classes are half of Newton's steps."
