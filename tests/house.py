"""The script that draws the house, as a module: what it reads of the imports, layout tests check."""

import importlib.util
from types import ModuleType

from tests.conftest import REPOSITORY


def load_house() -> ModuleType:
    """`docs/draw_house.py`; `docs` is no package."""
    spec = importlib.util.spec_from_file_location("draw_house", REPOSITORY / "docs" / "draw_house.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
