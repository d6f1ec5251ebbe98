#!/bin/sh
# model-signing 1.1.1 with sigstore 4.5.1 cannot be imported as it is installed: a module that it needs,
# OpenSSL, is declared by neither package.
#
# pip installs both without an error; the command ends in ModuleNotFoundError before it reads its
# arguments. With pyopenssl beside them it works.
#
# Exits with 0 as long as this is so, with 1 once it is not (then the project's own installation of the
# tool needs no pyopenssl any more). Needs python3 with venv, and a package index.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "model-signing==1.1.1" "sigstore==4.5.1"
before=$("$folder/venv/bin/python" -m model_signing --help 2>&1 || true)
echo "  as installed: $(printf '%s\n' "$before" | tail -1)"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "pyopenssl==25.3.0" || \
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyopenssl
after=$("$folder/venv/bin/python" -m model_signing --help 2>&1 || true)
echo "  with pyopenssl: $(printf '%s\n' "$after" | head -1)"
case "$before" in *"No module named 'OpenSSL'"*) ;; *) echo "This has changed."; exit 1 ;; esac
case "$after" in *Usage*) ;; *) echo "This has changed."; exit 1 ;; esac
echo "As stated: OpenSSL is needed and declared by neither."
