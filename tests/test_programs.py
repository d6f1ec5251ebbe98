"""Programs that tests run are files (`programs/`): formatted, checked and read like code."""

import ast
from pathlib import Path

TESTS = Path(__file__).parent
# Examples of the documentation are run as they stand there; this file has one to compare with.
EXCEPT = ("docs/test_docs_examples.py", "test_programs.py")


def is_program(text):
    """Whether a text is a Python program: it parses, and imports something."""
    if "import " not in text or "\n" not in text.strip():
        return False
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return False
    return any(isinstance(node, ast.Import | ast.ImportFrom) for node in tree.body)


def texts(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_no_program_is_a_text_in_a_test():
    wrong = [
        f"{path.relative_to(TESTS)}:{line}"
        for path in sorted(TESTS.rglob("*.py"))
        if str(path.relative_to(TESTS)) not in EXCEPT
        for line, text in texts(path)
        if is_program(text) or (text == "-" + "c")
    ]
    assert wrong == [], "write it to a file in tests/programs"


def test_a_program_is_known_by_its_imports():
    assert is_program("\nimport sys\nprint(sys.argv)\n")
    assert not is_program("Import the file.\nThen import another one.")
