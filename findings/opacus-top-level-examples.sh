#!/bin/sh
# opacus 1.6.0 installs two packages beside its own, `examples` and `benchmarks`, which hide folders of
# these names in a project that has the library installed.
#
# They have an __init__.py, so they are regular packages; a project's folder without one is a namespace
# package, and Python takes a regular package anywhere on its path before a namespace package, even if
# that is earlier on the path. `import examples.tables` of a file that is there then raises
# ModuleNotFoundError: No module named 'examples.tables', as soon as opacus is installed, whether it is
# imported or not.
#
# Exits with 0 as long as this is so, with 1 once it is not. Needs python3 with venv, and a package
# index. swarmhub has the library in the extra [dp]: its own tests import from no folder `examples`
# any more, and the guide for trainers of one's own says it.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/project/examples"
echo "rows = 3" > "$folder/project/examples/tables.py"
python3 -m venv "$folder/venv"
look() { (cd "$folder/project" && "$folder/venv/bin/python" -c "import examples.tables; print('found')" 2>&1 | tail -1); }

before=$(look)
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps "opacus==1.6.0"
after=$(look)
packages=$(cat "$folder"/venv/lib/python3*/site-packages/opacus-1.6.0.dist-info/top_level.txt | tr '\n' ' ')
echo "  without opacus: $before"
echo "  with opacus: $after"
echo "  packages that it installs: $packages"
case "$before" in found) ;; *) echo "This has changed."; exit 1 ;; esac
case "$after" in *"No module named 'examples.tables'"*) ;; *) echo "This has changed."; exit 1 ;; esac
case "$packages" in *benchmarks*examples*) ;; *) echo "This has changed."; exit 1 ;; esac
echo "As stated: the project's folder is hidden."
