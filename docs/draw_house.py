"""Draw the house from its imports: docs/house.md, and the whole in CONTRIBUTING.md between markers.

    python docs/draw_house.py    # writes the pages anew; `make docs` does too

A module is known by its name without `cladescope.`; a room is a folder of modules. An arrow says "imports", wherever in the file
the import stands. Arrows that follow from others are left out.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDERS = ("cladescope", "embedding", "index", "analysis", "training", "app")
"""From the ground to the roof: each may import those before it."""
BEGIN, END = "<!-- the house: drawn by docs/draw_house.py -->", "<!-- the end of the house -->"
PAGES = ("CONTRIBUTING.md",)

HEAD = """# The house

The diagrams on this page show which part of the code imports which; `make docs` draws them from the code. A room is a folder of
modules; modules are named without `cladescope.`. An arrow means "imports", wherever in the file the import is. Arrows that follow
from others are left out. "its own files" are the modules directly in one of the six folders; those of `cladescope/`, the ground, are
drawn one by one, since some are above its rooms and some below.

## The whole
"""

Arrows = Mapping[str, set[str]]


@cache
def modules() -> dict[str, Path]:
    """The file of each module, by name: `errors`, `embedding.columns`; a package is called as its folder."""
    found = {}
    for folder in FOLDERS:
        root = REPOSITORY / folder
        # The ground's folder holds links to the others, which are folders of their own.
        links = {link for link in root.iterdir() if link.is_symlink()}
        for path in sorted(root.rglob("*.py")):
            if links.isdisjoint(path.parents):
                parts = path.relative_to(REPOSITORY).with_suffix("").parts
                parts = parts[1:] if folder == "cladescope" else parts
                found[".".join(parts).removesuffix("__init__").rstrip(".") or "cladescope"] = path
    return found


def imports(found: Mapping[str, Path]) -> dict[str, set[str]]:
    """Modules of the house that each module imports, in whatever line of it.

    The file that makes `cladescope` a package is the front door: it names what stands above for type checkers and loads it when it
    is asked for. It has no arrows.
    """
    arrows: dict[str, set[str]] = {name: set() for name in found}
    for name, path in found.items():
        if name == "cladescope":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                words = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                words = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for word in (word.removeprefix("cladescope.") for word in words if word.startswith("cladescope")):
                target = word if word in found else word.rpartition(".")[0]
                if target in found and target != name:
                    arrows[name].add(target)
    return arrows


@cache
def own_imports() -> dict[str, set[str]]:
    """The imports of this house, read once."""
    return imports(modules())


def folder_of(module: str) -> str:
    """The one of the six folders in which a module lies."""
    first = module.split(".")[0]
    return first if first in FOLDERS else "cladescope"


def room_of(module: str, found: Mapping[str, Path]) -> str:
    """A module's room: its folder, as `analysis.classify`; a module right in one of the six folders is in that one."""
    return module if found[module].name == "__init__.py" else module.rpartition(".")[0] or "cladescope"


def rooms(found: Mapping[str, Path], arrows: Arrows) -> dict[str, str]:
    """The room of each module; where the files right in one of the six folders stand both above and below its rooms, as
    `schema` and `errors` do in the ground, each of them is a room by itself.
    """
    room = {module: room_of(module, found) for module in found}
    for hall in {place for circle in circles(between(arrows, room)) for place in circle} & {*FOLDERS}:
        room |= {module: module for module, place in room.items() if place == hall and module != hall}
    return room


def between(arrows: Arrows, room: Mapping[str, str]) -> dict[str, set[str]]:
    """Arrows between rooms."""
    found: dict[str, set[str]] = {place: set() for place in room.values()}
    for name, targets in arrows.items():
        found[room[name]] |= {room[target] for target in targets} - {room[name]}
    return found


def reached(arrows: Arrows, start: str) -> set[str]:
    """All that can be reached by arrows."""
    seen: set[str] = set()
    waiting = [*arrows.get(start, ())]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += arrows.get(name, ())
    return seen


def circles(arrows: Arrows) -> list[list[str]]:
    """Groups of names each of which reaches all others of its group."""
    far = {name: reached(arrows, name) for name in arrows}
    groups = {tuple(sorted(other for other in far[name] if name in far[other])) for name in arrows if name in far[name]}
    return sorted(map(list, groups))


def drawn_arrows(arrows: Arrows) -> list[tuple[str, str]]:
    """Arrows that do not follow from two or more others."""
    far = {name: reached(arrows, name) for name in arrows}
    return sorted(
        (name, target)
        for name, targets in arrows.items()
        for target in targets
        if not any(target in far[other] for other in targets - {target})
    )


def whole() -> str:
    """The Mermaid picture of all rooms, in their six folders, the roof on top."""
    found, arrows = modules(), own_imports()
    room = rooms(found, arrows)
    members: dict[str, set[str]] = defaultdict(set)
    for module, place in room.items():
        if module != place or place not in FOLDERS:  # the file that makes a folder a package is no room
            members[folder_of(place)].add(place)
    lines = ["flowchart TD"]
    for folder in reversed(FOLDERS):
        places = sorted(members[folder])
        lines += [f'    subgraph {_id(folder)}_[" {folder}/ "]']
        lines += [f'        {_id(place)}["{_label(place)}"]' for place in places]
        lines += ["    end"]
    shown = set().union(*members.values())
    links = drawn_arrows({name: targets & shown for name, targets in between(arrows, room).items() if name in shown})
    lines += [f"    {_id(name)} --> {_id(target)}" for name, target in links]
    return _fenced(lines)


def inside(place: str) -> str:
    """The Mermaid picture of the modules of one room."""
    found = modules()
    names = {module for module in found if room_of(module, found) == place}
    own = {name: targets & names for name, targets in own_imports().items() if name in names}
    lines = ["flowchart TD", *(f'    {_id(name)}["{name.rpartition(".")[2]}"]' for name in sorted(names - {place}))]
    links = [(name, target) for name, target in drawn_arrows(own) if place not in (name, target)]
    return _fenced([*lines, *(f"    {_id(name)} --> {_id(target)}" for name, target in links)])


def page() -> str:
    """docs/house.md."""
    found = modules()
    arrows = between(own_imports(), {module: room_of(module, found) for module in found})
    parts = [HEAD, whole()]
    for place in sorted(arrows, key=lambda place: (FOLDERS.index(folder_of(place)), place)):
        users = sorted(name for name, targets in arrows.items() if place in targets)
        parts += [
            f"\n## {place.replace('.', '/')}/\n",
            f"{_sentence(found[place])}\n",
            f"Imports {_listed(arrows[place])}. Imported by {_listed(users)}.\n",
            inside(place),
            "",
            *(
                f"- `{module.rpartition('.')[2]}`: {_sentence(path)}"
                for module, path in found.items()
                if room_of(module, found) == place and module != place
            ),
        ]
    return "\n".join(parts) + "\n"


def pages() -> dict[Path, str]:
    """What each page should hold."""
    written, picture = {REPOSITORY / "docs" / "house.md": page()}, whole()
    for name in PAGES:
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        written[REPOSITORY / name] = f"{before}{BEGIN}\n{picture}\n{END}{after}"
    return written


def _id(name: str) -> str:
    return name.replace(".", "_") + "_"


def _label(place: str) -> str:
    """A room by its last word; the files right in one of the six folders by name, where there are rooms beside them."""
    return "its own files" if place in FOLDERS and place != "index" else place.rpartition(".")[2]


def _fenced(lines: Iterable[str]) -> str:
    return "\n".join(["```mermaid", *lines, "```"])


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "nothing"


def _sentence(path: Path) -> str:
    """The first sentence of a module's docstring."""
    words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return re.split(r"(?<=[.?!]) (?=[A-Z`])", _first_words(words, 1))[0]


def _first_words(text: str, n_paragraphs: int) -> str:
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n") if not part.startswith("    ")]
    return "\n\n".join(paragraphs[:n_paragraphs])


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
