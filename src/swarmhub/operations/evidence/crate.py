"""The folder's description as an RO-Crate 1.2 (https://w3id.org/ro/crate/1.2): JSON-LD that other
programs read without knowing swarmhub."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from swarmhub.operations.evidence.manifest import Listed
from swarmhub.words import say_time

CRATE = "ro-crate-metadata.json"
README = "README.md"
CONTEXT = "https://w3id.org/ro/crate/1.2/context"
PROFILE = "https://w3id.org/ro/crate/1.2"
LICENSE = "#terms-of-use"
FORMATS = {
    ".html": "text/html", ".json": "application/json", ".jsonl": "application/jsonl",
    ".md": "text/markdown", ".txt": "text/plain",
    ".pdf": "application/pdf",
}  # fmt: skip

# path -> the question that the file answers
CONTENTS = {
    README: "How is this folder read and checked?",
    "ledger/blocks.jsonl": "What did the ledger record, in which order, signed by whom?",
    "ledger/state.jsonl": "Which records did the ledger have at the end, and how are they proven?",
    "ledger/headers.jsonl": "Which blocks did the validators agree on, with whose signatures?",
    "ledger/validators.jsonl": "Which keys were the validators', with which power, in which order?",
    "study/members.jsonl": "Which hospitals were members, with which keys?",
    "study/terms.jsonl": "Which terms were proposed and amended, when, and by which hospital?",
    "study/approvals.jsonl": "Which hospital approved, refused, joined or left, on which terms?",
    "study/participation.jsonl": "Which hospital took part in which round; if not, why not?",
    "study/metrics.jsonl": "Which model did each round settle, and how good was it, and where?",
    "study/contributions.jsonl": "By which software, of which data (keyed digest), with how many "
    "samples was each contribution made?",
    "study/releases.jsonl": "Which model was released, by whose votes?",
    "documents/code.txt": "Which code do the terms bind (its files one after the other)?",
    "documents/ethics.pdf": "Which vote or permit do the terms name?",
    "documents/ethics.txt": "Which vote or permit do the terms name?",
    "report/report.html": "How good is the newest model, for which patients?",
    "report/report.json": "The numbers of the report.",
    "report/absent.txt": "Why is there no report?",
    "privacy/budget.json": "Which noise protected patients in training, and how much of "
    "its privacy budget has each hospital spent?",
    "privacy/audit.json": "What did attacks on the model find at the exporting hospital?",
    "model/README.md": "What is the newest model for, and what not (model card)?",
    "model/absent.txt": "Why is there no model card?",
}


@dataclass(frozen=True)
class Subject:
    """The subject of a crate: the study, the chain, the hospital that exports, the time."""

    study: str
    title: str
    chain: str
    hospital: str
    made_ms: int
    software: str


def write_crate(subject: Subject, files: Sequence[Listed]) -> bytes:
    """Return the crate's metadata for these files."""
    date = say_time(subject.made_ms)[:10]
    title = f": {subject.title}" if subject.title else ""
    graph: list[dict[str, Any]] = [
        {
            "@id": CRATE, "@type": "CreativeWork", "conformsTo": {"@id": PROFILE},
            "about": {"@id": "./"},
        },
        {
            "@id": "./", "@type": "Dataset",
            "name": f"Evidence of the study '{subject.study}'{title}",
            "description": f"The record of the study '{subject.study}' on the ledger "
            f"{subject.chain}, exported by {subject.hospital}: terms, approvals, participation, "
            "metrics, releases, and the signed blocks that prove them.",
            "datePublished": date, "license": {"@id": LICENSE},
            "publisher": {"@id": "#hospital"}, "identifier": subject.chain,
            "hasPart": [{"@id": f.path} for f in files],
        },
        {
            "@id": LICENSE, "@type": "CreativeWork", "name": "The terms of the study",
            "description": "The folder may be used as the study's terms and the law of the "
            "hospitals allow; nothing beyond is granted.",
        },
        {"@id": "#hospital", "@type": "Organization", "name": subject.hospital},
        {
            "@id": "#export", "@type": "CreateAction", "name": "swarmhub evidence export",
            "description": f"Written by swarmhub {subject.software}.",
            "agent": {"@id": "#hospital"},
            "endTime": say_time(subject.made_ms)[:19].replace(" ", "T") + "Z",
            "result": {"@id": "./"},
        },
        *(_describe(f) for f in files),
    ]  # fmt: skip
    graph[1]["mentions"] = {"@id": "#export"}
    document = {"@context": CONTEXT, "@graph": graph}
    return json.dumps(document, indent=1, ensure_ascii=False).encode(errors="backslashreplace")


def _describe(listed: Listed) -> dict[str, Any]:
    return {
        "@id": listed.path, "@type": "File", "name": listed.path,
        "description": CONTENTS.get(listed.path, ""),
        "contentSize": str(listed.nbytes), "sha256": listed.sha256,
        "encodingFormat": FORMATS[PurePosixPath(listed.path).suffix],
    }  # fmt: skip


def write_readme(subject: Subject, genesis: str, files: Collection[str]) -> bytes:
    """Return the README of a folder with these files."""
    rows = "\n".join(
        f"| `{path}` | {answers} |"
        for path, answers in CONTENTS.items()
        if path in files or path == README
    )
    text = f"""# Evidence of the study '{subject.study}'

The record of one study on the ledger `{subject.chain}`, exported on
{say_time(subject.made_ms)} with swarmhub {subject.software}.
It is checked without a network and without a node:

```sh
swarmhub evidence verify . --genesis DIGEST
```

`DIGEST` is the digest of the consortium's block 0. Ask a member of the consortium for it
(`swarmhub ledger verify` prints it), not this folder: this one says `{genesis}`.

| file | question |
|---|---|
{rows}
| `manifest.json` | sha256 of every file, and of every line of JSON lines |
| `signature.json` | signature of the exporting hospital's release key over the manifest |

Times are in milliseconds since 1970 (block time), metrics in millionths. There are no data of
patients. `data` in `study/contributions.jsonl` is a digest under a key of the hospital: it shows
whether the same data were used again, and nothing else.
"""
    return text.encode(errors="replace")
