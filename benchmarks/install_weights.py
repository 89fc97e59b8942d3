"""What an installation weighs: megabytes on disk of each package that pyproject.toml names, with what only it brings, as a table for docs/install.md.

    python benchmarks/install_weights.py            # of this environment
    python benchmarks/install_weights.py small.txt  # of the packages of a file of requirements alone

Sizes are of the files that are installed, before Python compiles them. A package that is not installed here is left out and named.
"""

import re
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parent.parent


def main(files: list[str]) -> None:
    """Print the table."""
    lines = [line for file in files for line in Path(file).read_text(encoding="utf-8").splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")] if files else declared()
    requirements = [one for one in map(Requirement, wanted) if one.marker is None or one.marker.evaluate()]
    asked = {plain(one.name) for one in requirements}
    roots = {name for name in asked if name in installed()}
    everything = closure(roots)
    rows = [(size(everything - closure(roots - {name})), size({name}), size(closure({name})), name) for name in roots]
    print("| package | MB, itself | MB, with all it brings | MB that only it brings |\n| --- | --- | --- | --- |")
    for only, own, whole, name in sorted(rows, reverse=True):
        print(f"| `{name}` | {own:,.0f} | {whole:,.0f} | {only:,.0f} |")
    print(f"\n{len(everything)} packages, {size(everything):,.0f} MB")
    if missing := sorted(asked - roots):
        print("not installed here: " + ", ".join(missing))


def declared() -> list[str]:
    """The dependencies of the project."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["dependencies"])


@cache
def installed() -> dict[str, Distribution]:
    """What is installed, by plain name."""
    return {plain(one.metadata["Name"]): one for one in distributions()}


def plain(name: str) -> str:
    """A package's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def brings(name: str, extra: str = "") -> frozenset[str]:
    """The installed packages that one asks for."""
    found: set[str] = set()
    for requirement in map(Requirement, installed()[name].requires or []):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        if (other := plain(requirement.name)) in installed():
            found |= {other}.union(*(brings(other, one) for one in requirement.extras))
    return frozenset(found)


def closure(names: Iterable[str]) -> set[str]:
    """Packages and all that they bring."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += brings(name)
    return found


def size(names: Iterable[str]) -> float:
    """Megabytes of the files of some packages."""
    files = (one.locate_file(file) for one in map(installed().get, names) if one for file in one.files or [])
    return sum(path.lstat().st_size for path in map(Path, map(str, files)) if path.exists()) / 1e6


if __name__ == "__main__":
    main(sys.argv[1:])
