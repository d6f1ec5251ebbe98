"""Pages as one HTML file: they refer to nothing outside of it, and run no script."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from swarmhub.errors import BadInput


def render_page(template: str, **values: Any) -> str:
    """Return a page out of `templates/`, with its style in it."""
    environment = Environment(
        loader=PackageLoader("swarmhub.operations"), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    style = environment.get_template("page.css").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = environment.get_template(template)
    return page.render(style=Markup(style), style_hash=f"sha256-{digest}", **values)


def check_path(out: Path, what: str) -> None:
    """Raise BadInput if a page cannot be written to this path."""
    if out.suffix.lower() not in (".html", ".htm"):
        raise BadInput(f"Expected an .html file for the {what}, got {out}.")
    if not out.absolute().parent.is_dir():
        raise BadInput(f"There is no folder {out.absolute().parent}; make it first.")
