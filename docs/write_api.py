"""Write docs/api.md from the code: the signature and the docstring of every function and class of `cladescope`. `--print` writes it to stdout."""

import importlib
import inspect
import re
import sys
from functools import cached_property
from pathlib import Path

import cladescope

HEAD = """# Functions and classes

Written from the code by `make docs`. [From Python](python.md) shows an example of each, in order; here is what each takes, returns and
raises. Everything is reached by `import cladescope`, and loaded when it is first used.
"""
CLASSES = {
    "Store": "cladescope.index.store",
    "SearchResult": "cladescope.index.hits",
    "Hit": "cladescope.index.hits",
    "Predictions": "cladescope.analysis.classify.naming",
    "Fitted": "cladescope.app.verbs.fit",
    "EmbedSummary": "cladescope.embedding.pipeline",
    "Encoder": "cladescope.embedding.encoder",
    "Taxon": "cladescope.taxonomy",
}
"""What functions take and return that a user meets, and where it stands."""
OF_STORE = ("__len__", "to_pandas", "to_numpy", "table", "matrix", "count", "search", "open")
"""Methods of a store that are shown; it has others for those who write on Cladescope itself."""


def page() -> str:
    """The whole page."""
    functions = [name for name in cladescope.__dir__() if name in (*cladescope._VERBS, "open")]
    parts = [HEAD, "## Functions\n", *(_function(name, getattr(cladescope, name)) for name in functions)]
    parts.append("## Classes\n")
    for name, module in CLASSES.items():
        parts.append(_class(name, getattr(importlib.import_module(module), name)))
    return "\n".join(parts)


def _function(name: str, function: object) -> str:
    return f"### {name}\n\n```python\n{_signature(f'cladescope.{name}', function)}\n```\n\n{_text(function)}\n"


def _class(name: str, kind: type) -> str:
    shown = OF_STORE if name == "Store" else [one for one in vars(kind) if not one.startswith("_")]
    parts = [f"### {name}\n\n{_text(kind)}\n"]
    for one in shown:
        member = getattr(kind, one, None)
        if isinstance(member, property | cached_property):
            parts.append(f"- `{one}`: {' '.join(_text(member).split())}\n")
        elif inspect.isroutine(member) and inspect.getdoc(member):
            parts.append(f"```python\n{_signature(f'{name}.{one}', member)}\n```\n\n{_text(member)}\n")
    return "\n".join(parts)


def _signature(name: str, function: object) -> str:
    """A signature as it would be typed: names of our own without their modules, an argument a line where it is long."""
    signature = inspect.signature(inspect.unwrap(function))  # type: ignore[arg-type]
    words = [str(one) for one in signature.parameters.values() if one.name not in ("self", "cls")]
    kinds = [one.kind for one in signature.parameters.values() if one.name not in ("self", "cls")]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        words.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    returned = signature.return_annotation
    end = ")" if returned is inspect.Signature.empty else f") -> {inspect.formatannotation(returned)}"
    line = f"{name}({', '.join(words)}{end}"
    line = line if len(line) <= 100 else f"{name}(\n" + "".join(f"    {word},\n" for word in words) + end
    return re.sub(r"(?:[a-z_][\w]*\.)+(?=[A-Z])", "", line)


def _text(thing: object) -> str:
    """A docstring in Markdown: its examples as blocks of code, all else as it stands."""
    lines, found, in_code = (inspect.getdoc(thing) or "").splitlines(), [], False
    for line in lines:
        if line.startswith(">>>") and not in_code:
            found.append("```pycon")
            in_code = True
        elif in_code and not line.strip():
            found.append("```")
            in_code = False
        found.append(re.sub(r"\s*# doctest: .*", "", line))
    return "\n".join([*found, *(["```"] if in_code else [])]).replace("::\n", ":\n")


def write() -> None:
    """Write the page beside this file."""
    Path(__file__).with_name("api.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    if "--print" in sys.argv:
        sys.stdout.write(page())
    else:
        write()
