"""The lowest room of the analysis: light to import, and leaning on nothing above it."""

import re
import subprocess
import sys

from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / "analysis" / "measures"


def test_measures_load_nothing_heavy():
    modules = ", ".join(f"cladescope.analysis.measures.{path.stem}" for path in FOLDER.glob("*.py"))
    code = f"import sys, {modules}; print(*{{name.split('.')[0] for name in sys.modules}})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert not set(ended.stdout.split()) & {"torch", "lancedb", "faiss", "sklearn", "pyarrow"}


def test_measures_import_no_other_room():
    imported = {
        name
        for path in FOLDER.glob("*.py")
        for name in re.findall(r"^\s*from (cladescope[\w.]*)", path.read_text(), re.MULTILINE)
    }
    assert {name for name in imported if not name.startswith("cladescope.analysis.measures")} <= {
        "cladescope.arrays",
        "cladescope.errors",
    }
