#!/bin/sh
# python-calamine 0.9.1 gives a workbook's error cells (#N/A, #DIV/0!) as empty text.
#
# The type of such a cell is in the file (t="e"), and openpyxl gives its text. Through pandas'
# engine "calamine" the cell is empty, too, so a formula that failed in one row of a column of
# measurements looks like a value that was never taken. Nothing is raised or warned of.
#
# Exits with 0 as long as this is so, with 1 once it is not (then `find_errors` in
# swarmhub.data.readers.excel could go). Needs python3 with venv, and a package index.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/probe.py" <<'PYTHON'
import sys
import openpyxl
import pandas as pd
from python_calamine import CalamineWorkbook

path = sys.argv[1]
book = openpyxl.Workbook()
for value in ("glucose", 5.5, "#N/A", 6.25, "#DIV/0!"):
    book.active.append([value])
book.save(path)

known = [row[0].value for row in openpyxl.load_workbook(path).active.iter_rows(min_row=2)]
direct = [row[0] for row in CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()[1:]]
through = pd.read_excel(path, engine="calamine", keep_default_na=False)["glucose"].tolist()
print("  openpyxl:", known)
print("  python-calamine:", direct)
print("  pandas, engine calamine:", through)
as_stated = known == [5.5, "#N/A", 6.25, "#DIV/0!"] and direct[1] == "" and through[1] == ""
sys.exit(not as_stated)
PYTHON

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "python-calamine==0.9.1" "openpyxl==3.1.5" \
    "pandas==3.1.1" "numpy==2.4.6"
if ! "$folder/venv/bin/python" "$folder/probe.py" "$folder/probe.xlsx"; then
    echo "This has changed: see the lines above."
    exit 1
fi
echo "As stated: error cells are empty text, without a word."
