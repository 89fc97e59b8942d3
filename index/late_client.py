"""LanceDB's client for servers, put off: a store on a disk never speaks to one, and to load the client took a quarter of a search."""

import importlib.util
import sys
from typing import Any

CLIENT = "lance_namespace_urllib3_client"
"""Its `models` are loaded as before; the package itself imports 300 ms of calls to servers."""


def put_off(name: str = CLIENT) -> None:
    """Have a package run only once something asks it for a name; its modules can be imported before. Nothing happens where there is none."""
    if name in sys.modules or (spec := importlib.util.find_spec(name)) is None or spec.loader is None:
        return
    package, loader = importlib.util.module_from_spec(spec), spec.loader

    def found(attribute: str) -> Any:
        # What the import system looks for by itself does not count as asking.
        if attribute.startswith("__") or "__getattr__" not in vars(package):
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
        del vars(package)["__getattr__"]
        loader.exec_module(package)
        return getattr(package, attribute)

    vars(package)["__getattr__"] = found
    sys.modules[name] = package
