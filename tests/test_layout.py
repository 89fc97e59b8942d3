"""The architecture, held: imports point one way, light parts stay light, the documents know every verb."""

import ast
import keyword
import os
import re
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from cladescope.app.cli import VERBS, app
from tests.conftest import REPOSITORY
from tests.house import load_house

ORDER = ["ground", "embedding", "index", "analysis", "training", "app"]
HOUSE = load_house()
MODULES = HOUSE.modules()
IMPORTS = HOUSE.imports(MODULES)
DOORS = {
    ("index.store", "index.searcher"),
    ("index.front_door", "index.notebook"),
    ("index.hits", "index.notebook"),
    ("analysis.maps.run", "analysis.maps.files"),
    ("analysis.report.result", "analysis.report.page"),
    ("analysis.audit.run", "analysis.audit.page"),
}
"""Imports that stand in one line of a function, for a caller's comfort: `Store.search(...)` asks a `Searcher`, and what a notebook shows
of a store, an answer, a map, a report or an audit is drawn by what stands above it."""
EXTRAS = {
    "asked_models": "serve",
    "object_storage": "cloud",
    "front_door": "pandas",
    "ray_cluster": "ray",
    "ray_shards": "ray",
    "ray_task": "ray",
    "onnx_package": "onnx",
    "onnx_towers": "openvino",
    "stream": "train",
    "pdq": "curate",
}
"""The extra that a file of encoders needs."""
FLOORS = {
    "cladescope": [{"phylogeny"}, {"delimited"}, {"taxonomy"}, {"simulation"}],
    "embedding": [{"embedding"}, {"embedding.sources", "embedding.encoders"}],
    "analysis": [
        {"analysis.measures"},
        {"analysis"},
        {"analysis.duplicates"},
        {"analysis.classify", "analysis.maps", "analysis.audit", "analysis.probes"},
        {"analysis.benchmark", "analysis.report", "analysis.field_kit"},
    ],
    "training": [
        {"training"},
        {"training.data", "training.model", "training.loss"},
        {"training.loop", "training.curation"},
        {"training.curation.out"},
    ],
}
"""Rooms of a folder from the lowest floor up, `analysis` standing for the files that lie right in it. The ground's own files
stand on several floors, `schema` above taxonomy and `errors` below: that they make no circle is a test of its own."""


def python_files(part):
    folder = REPOSITORY / ("cladescope" if part == "ground" else part)
    # The ground's folder holds links to the others, which are parts of their own.
    links = {link for link in folder.iterdir() if link.is_symlink()}
    # The front door names the verbs, which stand on the top floor, and loads none of them.
    door = REPOSITORY / "cladescope" / "__init__.py"
    return sorted(path for path in folder.rglob("*.py") if path != door and not links & set(path.parents))


def imported_names(path):
    """Modules that a file imports anywhere in it, and what it imports from them."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_parts(path):
    """Parts of the house that a file imports, by the first word after `cladescope.`."""
    inner = [name.split(".")[1] for name in imported_names(path) if name.startswith("cladescope.")]
    return {word if word in ORDER else "ground" for word in inner}


@pytest.mark.parametrize("part", ORDER)
def test_imports_point_one_way(part):
    files = python_files(part)
    assert files
    allowed = set(ORDER[: ORDER.index(part) + 1])
    wrong = {path.name: imported_parts(path) - allowed for path in files if imported_parts(path) - allowed}
    assert not wrong


def test_training_reaches_the_encoder_through_a_folder():
    encoder = re.compile(r"cladescope\.embedding\.encoders?(\..*)?")
    wrong = {path.name for path in python_files("training") if any(map(encoder.fullmatch, imported_names(path)))}
    assert not wrong


def loaded_after(statement):
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "statement, heavy",
    [
        (
            "import cladescope, cladescope.taxonomy, cladescope.arrays, cladescope.simulation",
            {"torch", "lancedb", "faiss"},
        ),
        ("import cladescope.embedding.pipeline, cladescope.embedding.sources", {"torch", "lancedb", "faiss"}),
        ("import cladescope.embedding.encoders.open_clip_model", {"lancedb", "faiss"}),
        ("import cladescope.training", {"lancedb", "faiss"}),
        ("import cladescope.training.data.examples, cladescope.training.data.splits", {"torch", "lancedb", "faiss"}),
        ("import cladescope.app.main", {"numpy", "typer"}),
        ("import cladescope.app.cli", {"torch", "lancedb", "faiss", "umap", "open_clip", "numpy", "pyarrow", "PIL"}),
        ("import cladescope.index.store", {"torch", "open_clip", "timm"}),
    ],
)
def test_light_parts_stay_light(statement, heavy):
    assert not loaded_after(statement) & heavy


def test_a_command_does_not_end_with_a_search_for_garbage():
    code = "import atexit, gc, sys; from cladescope.app.main import main; sys.argv[1:] = ['--version']; main()"
    # What is registered first runs last: after `main` has put everything out of the collector's reach.
    checked = f"import atexit, gc; atexit.register(lambda: print(len(gc.get_objects()))); {code}"
    run = subprocess.run([sys.executable, "-c", checked], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert int(run.stdout.split()[-1]) < 1000


def test_everything_imported_is_a_declared_dependency():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    declared = {re.match(r"[\w-]+", line).group().lower().replace("-", "_") for line in project["dependencies"]}
    names = {
        "PIL": "pillow",
        "faiss": "faiss_gpu",
        "open_clip": "open_clip_torch",
        "huggingface_hub": "open_clip_torch",
        "lance": "pylance",
        "nameparser": "gbif_name_parser",
        "sklearn": "scikit_learn",
        "umap": "umap_learn",
    }
    found = set()
    for path in (path for part in ORDER for path in python_files(part)):
        imported = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
        # The client of a database is an extra of the name of the one file that speaks to it; see `EXTRAS` for others.
        name = path.stem if path.parent.name == "publishing" else EXTRAS.get(path.stem, "")
        name = "serve" if path.parent.name == "server" else name
        extra = project["optional-dependencies"].get(name, [])
        found |= imported - {re.match(r"[\w-]+", line).group().replace("-", "_") for line in extra}
    others = found - sys.stdlib_module_names - {"cladescope"}
    assert {names.get(name, name) for name in others} - declared == set()


def arrows_without_doors():
    return {name: {other for other in others if (name, other) not in DOORS} for name, others in IMPORTS.items()}


def test_no_module_imports_itself_by_way_of_others():
    assert HOUSE.circles(arrows_without_doors()) == []


def test_no_room_imports_itself_by_way_of_others():
    room = HOUSE.rooms(MODULES, IMPORTS)
    assert HOUSE.circles(HOUSE.between(arrows_without_doors(), room)) == []


@pytest.mark.parametrize("folder", FLOORS)
def test_rooms_import_only_from_lower_floors(folder):
    rooms = {module: HOUSE.room_of(module, MODULES) for module in MODULES}
    floor = {room: number for number, rooms in enumerate(FLOORS[folder]) for room in rooms}
    here = {room for module, room in rooms.items() if HOUSE.folder_of(module) == folder and module != folder}
    assert here - {"cladescope"} == set(floor)
    wrong = {
        (module, other)
        for module, others in IMPORTS.items()
        for other in others
        if rooms[module] != rooms[other]
        and rooms[module] in floor
        and rooms[other] in floor
        and floor[rooms[module]] <= floor[rooms[other]]
    }
    assert wrong == set()


def test_every_folder_of_modules_is_packaged():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    folders = {path.parent.relative_to(REPOSITORY).parts for path in MODULES.values()}
    names = {".".join(parts if parts[0] == "cladescope" else ("cladescope", *parts)) for parts in folders}
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted(names)


def n_lines(path):
    return len(path.read_text().splitlines())


def test_no_file_is_longer_than_400_lines_and_most_are_shorter_than_130():
    others = [path for folder in ("tests", "benchmarks", "docs") for path in (REPOSITORY / folder).rglob("*.py")]
    assert {path.name: n_lines(path) for path in (*MODULES.values(), *others) if n_lines(path) > 400} == {}
    assert statistics.median(map(n_lines, MODULES.values())) < 130


@pytest.mark.parametrize("verb", VERBS)
def test_the_readme_knows_every_verb(verb):
    assert f"cladescope {verb}" in (REPOSITORY / "README.md").read_text()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb):
    command = typer.main.get_group(app).commands[verb]
    assert re.search(rf"Example: cladescope {verb}\b", command.help)


def test_the_command_line_page_is_fresh():
    page = REPOSITORY / "docs" / "command-line.md"
    written = subprocess.run(
        [sys.executable, "docs/write_command_line.py", "--print"],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert page.read_text() == written.stdout, "run `make docs`"


def test_links_make_the_parts_one_package():
    for part in ORDER[1:]:
        link = REPOSITORY / "cladescope" / part
        assert link.is_symlink()
        assert link.readlink() == Path("..") / part


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_only_parses_calls_and_prints(verb):
    path = REPOSITORY / "app" / "cli" / f"{verb}{'_' * keyword.iskeyword(verb)}.py"
    assert n_lines(path) <= 150


@pytest.mark.parametrize("path", sorted((REPOSITORY / "app" / "verbs").glob("*.py")), ids=lambda path: path.stem)
def test_the_function_of_a_verb_leaves_the_work_to_the_rooms_below(path):
    assert n_lines(path) <= 150
