"""`swarmhub study show --code`"""

from __future__ import annotations

import json
from pathlib import Path

from swarmhub import codec
from swarmhub.cli.shared import lines, run
from swarmhub.home.home import Home
from swarmhub.operations.documents_page import (
    StudyDocuments,
    look_at_documents,
    say_documents,
    write_documents,
)


def show_documents(home: Home, study: str, diff: bool, json_: bool) -> None:
    """Print the documents of a study; with `diff` what differs from those approved before."""
    found = run(look_at_documents(home, study))
    if json_:
        print(json.dumps(codec.to_json(found), indent=2))
        return
    lines(f"Documents of '{study}'", say_documents(found))
    if diff:
        print_changes(found)
    else:
        print_texts(found)


def print_texts(found: StudyDocuments) -> None:
    """Print the texts of all files."""
    for document in found.documents:
        for file in document.files:
            print(f"\n=== {file.name}\n{file.text}")
        if document.text:
            print(f"\n=== ethics document\n{document.text}")


def print_changes(found: StudyDocuments) -> None:
    """Print how the code differs from that which this hospital approved before."""
    code = found.find("code")
    if not found.code_before:
        print("No other code of this study was approved here before.")
    elif code is not None and code.digest == found.code_before:
        print("The code is the one that was approved here before.")
    elif not found.changes:
        print(f"The code that was approved here before ({found.code_before[:16]}…), or the "
              "present one, is not here.")  # fmt: skip
    for change in found.changes:
        print(f"\n=== {change.name} ({change.change})")
        print("\n".join(change.lines))


def write_to(home: Home, study: str, out: Path) -> None:
    """Write the documents of a study to a new folder."""
    written = run(write_documents(home, study, out))
    print(f"Wrote {len(written)} files to {out}: {', '.join(written)}.")
