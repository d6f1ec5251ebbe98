"""Count words that this project avoids in the docstrings and comments of the package.

    python scripts/check_language.py [--check] [--list] [PATH ...]

Figures are per 1,000 words (`\\w+`). `--list` names each place, `--check` exits with 1 above the
limits.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "swarmhub"
WORD = re.compile(r"\w+")
SENTENCE = re.compile(r"(?:\A|[.:;!?]\s+|\n\s*\n\s*)(\w+)")
OPENERS = {"Who", "What", "Whose", "Whoever"}
LIMITS = {"who": 0.5, "openers": 0.2, "where": 0.8}
PATTERNS = {
    "who": re.compile(r"\b(who|whom|whose|whoever)\b", re.IGNORECASE),
    "where": re.compile(r"\bwhere (it|there|the|a|an|no|nobody|this|that|they)\b", re.IGNORECASE),
}


def read_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Docstrings, and blocks of comments on consecutive lines, with their first lines."""
    source = path.read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text
    block, first, last = "", 0, -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        line, text = token.start[0], token.string.lstrip("#: ")
        if line == last + 1:
            block += " " + text
        else:
            if block:
                yield first, block
            block, first = text, line
        last = line
    if block:
        yield first, block


def find_words(text: str) -> Iterator[tuple[str, str]]:
    """What a text has of each kind, as (kind, words)."""
    for kind, pattern in PATTERNS.items():
        for found in pattern.finditer(text):
            yield kind, found[0]
    for found in SENTENCE.finditer(text):
        if found[1] in OPENERS:
            yield "openers", found[1]


def main() -> int:
    """Count, print, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, default=[SOURCE])
    parser.add_argument("--check", action="store_true", help="exit with 1 above the limits")
    parser.add_argument("--list", action="store_true", help="name each place")
    options = parser.parse_args()
    files = [f for p in options.paths for f in ([p] if p.is_file() else sorted(p.rglob("*.py")))]
    words, counts = 0, dict.fromkeys(LIMITS, 0)
    for path in files:
        for line, text in read_texts(path):
            words += len(WORD.findall(text))
            for kind, found in find_words(text):
                counts[kind] += 1
                if options.list:
                    print(f"{path}:{line}: {kind}: {found}")
    rates = {kind: 1000 * n / max(words, 1) for kind, n in counts.items()}
    for kind, rate in rates.items():
        found = f"{rate:.2f} per 1,000 of {words} words ({counts[kind]})"
        print(f"{kind}: {found}, at most {LIMITS[kind]}")
    return int(options.check and any(rates[k] > LIMITS[k] for k in LIMITS))


if __name__ == "__main__":
    sys.exit(main())
