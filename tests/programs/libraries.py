"""Print as JSON which libraries this interpreter imports, and the CPU features that NumPy uses."""

import importlib.metadata
import json
import sys

import numpy as np
from numpy import show_config

import swarmhub

features = show_config(mode="dicts")["SIMD Extensions"]
libraries = (
    "numpy", "aiohttp", "cryptography", "jinja2", "msgspec", "pandas", "protobuf",
    "python-calamine", "rich", "safetensors", "typer",
)  # fmt: skip
found = {name: importlib.metadata.version(name) for name in libraries}
assert found["numpy"] == np.__version__
print(json.dumps({"python": sys.version, "swarmhub": swarmhub.__file__, **found,
                  "features": features.get("found", [])}))  # fmt: skip
