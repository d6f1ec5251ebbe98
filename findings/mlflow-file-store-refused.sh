#!/bin/sh
# mlflow-skinny 3.17.0 refuses a folder as its store, which earlier versions had as their default.
#
# A client with the address of a folder raises an error when it makes an experiment, unless the
# environment variable MLFLOW_ALLOW_FILE_STORE is "true". Who logs to a folder on one machine, without a
# server, finds nothing written after an update.
#
# Exits with 0 as long as this is so, with 1 once it is not (then swarmhub's tracker need not set the
# variable). Needs python3 with venv, and a package index.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/probe.py" <<'PYTHON'
import sys
from mlflow import MlflowClient

try:
    made = MlflowClient("file:" + sys.argv[1]).create_experiment("probe")
    print("  made", made)
except Exception as error:
    print(f"  {type(error).__name__}: {str(error)[:160]}")
    sys.exit(3)
PYTHON

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "mlflow-skinny==3.17.0"
export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
set +e
"$folder/venv/bin/python" "$folder/probe.py" "$folder/runs"
refused=$?
MLFLOW_ALLOW_FILE_STORE=true "$folder/venv/bin/python" "$folder/probe.py" "$folder/runs"
allowed=$?
set -e
if [ "$refused" != 3 ] || [ "$allowed" != 0 ]; then
    echo "This has changed: see the lines above."
    exit 1
fi
echo "As stated: a folder is refused unless a variable allows it."
