#!/bin/sh
# lifelines 0.30.3 gives the next event's time as the median if rounding lifts S above one half.
#
# KaplanMeierFitter.median_survival_time_ is the first time with S(t) <= 0.5: of 4 patients who die
# at 1, 2, 3, 4 it is 2, of 10 it is 5. S is computed as exp of a sum of logarithms, and compared
# without a tolerance. Of 6 patients S(3) comes out as 0.5000000000000001, so the median is the time
# of the fourth death; if that is late, so is the median: 60 months instead of 3 below. It happens
# with any n for which the logarithms round upwards (6, 8, 14, 18, 20, 44, 58, 60 of the even numbers
# up to 60). Nothing is raised or warned of.
#
# Exits with 0 as long as this is so, with 1 once it is not. Needs python3 with venv, and a package
# index. swarmhub takes S for one half if it differs by less than 1e-9.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/probe.py" <<'PYTHON'
import sys
from lifelines import KaplanMeierFitter

late = {}
for n in range(2, 62, 2):
    median = KaplanMeierFitter().fit(range(1, n + 1), [1] * n).median_survival_time_
    if median != n // 2:
        late[n] = float(median)
print("  n patients who die at 1 .. n, if the median is not n / 2:", late)
months = [1, 2, 3, 60, 61, 62]
found = KaplanMeierFitter().fit(months, [1] * 6)
print("  deaths at", months, ": S(3) =", repr(float(found.survival_function_.loc[3].iloc[0])),
      ", median", float(found.median_survival_time_))
sys.exit(not (late.get(6) == 4 and 4 not in late and 10 not in late
              and found.median_survival_time_ == 60))
PYTHON

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "lifelines==0.30.3" \
    "numpy==2.4.6" "pandas==2.3.3" "scipy==1.17.1"
if ! "$folder/venv/bin/python" -W ignore "$folder/probe.py"; then
    echo "This has changed: see the lines above."
    exit 1
fi
echo "As stated: the median is that of the next death if S rounds to just above one half."
