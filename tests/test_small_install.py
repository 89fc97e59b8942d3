"""What `make small` installs is enough to name, search, teach and audit pictures with `tiny`: nothing else is imported."""

import json
import re
import subprocess
import sys

import pytest

import cladescope
from cladescope.packages import PACKAGES
from tests.app.server.conftest import until
from tests.conftest import REPOSITORY

SMALL = [line for line in (REPOSITORY / "small.txt").read_text().splitlines() if not line.startswith("#")]
NAMES = {re.split(r"[^\w-]", line)[0] for line in SMALL}
LEFT_OUT = sorted(
    module
    for module, package in PACKAGES.items()
    if package not in {*NAMES, "open_clip_torch"} and module not in {*NAMES, "multipart", "python_multipart"}
)
"""Of open_clip only the list of words is read there, for searches by text; it cannot be imported without torch."""
BLOCKED = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {left_out}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from cladescope.app.main import main
sys.argv = ["cladescope", *sys.argv[1:]]
main()
"""


@pytest.fixture(scope="module")
def small(clades, tmp_path_factory):
    """Run a command in a process that has only the packages of the small installation, in a folder with `photos/` and `classes/`."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "photos").mkdir()
    (folder / "classes").mkdir()
    for number, kind in enumerate(sorted((clades / "images").iterdir())):
        (folder / "classes" / f"kind {'abcdefghijkl'[number]}").symlink_to(kind)
        (folder / "photos" / f"{number}.jpg").symlink_to(min(kind.glob("*.jpg")))

    def call(*arguments):
        return subprocess.run(
            [sys.executable, "-c", BLOCKED.format(left_out=set(LEFT_OUT)), *arguments],
            capture_output=True,
            text=True,
            cwd=folder,
            env={"PYTHONPATH": str(REPOSITORY), "PATH": "", "HOME": str(folder), "OMP_NUM_THREADS": "1"},
        )

    return call


def test_what_weighs_most_is_left_out():
    assert {"torch", "torchvision", "timm", "duckdb"} <= set(LEFT_OUT)
    assert {"numpy", "pyarrow", "lancedb", "onnxruntime", "faiss-cpu"} <= NAMES


def test_pictures_are_embedded_searched_named_and_taught(small):
    for command in (
        "embed photos --store photos.store",
        "search photos.store --image photos/3.jpg -k 3",
        "search photos.store --text bird -k 3",
        "predict photos/3.jpg -k 2",
        "duplicates photos",
        "map photos.store --out map",
        "fit classes --out classes.safetensors",
        "predict photos --classifier classes.safetensors -k 1",
    ):
        ended = small(*command.split())
        assert ended.returncode == 0, (command, ended.stderr)
        assert ended.stdout


def test_pictures_are_looked_at_in_a_page(small, clades, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, picture in enumerate(sorted(clades.glob("images/*/*.jpg"))[:6]):
        (photos / f"{number}.jpg").symlink_to(picture)
    process = subprocess.Popen(
        [sys.executable, "-c", BLOCKED.format(left_out=set(LEFT_OUT)), "explore", "photos", "--no-browser", "--json", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        lines = []
        while lines[-1:] != ["}\n"]:
            lines.append(process.stdout.readline())
            assert lines[-1], process.stderr.read()
        client = cladescope.Client(json.loads("".join(lines))["address"])
        until(lambda: all(job["state"] != "running" for job in client.work()), 60)
        until(lambda: client.map("photos")["state"] == "ready" and client.map("photos")["n"] == 6, 60)
        found = client.map("photos")
        assert found["method"] == "umap"
        assert client.search("photos", text="a bird", k=2)["hits"]
    finally:
        process.kill()
        process.communicate()


def test_what_needs_more_says_what_to_install(small):
    ended = small("embed", "photos", "--store", "other.store", "--encoder", "ViT-B-32")
    assert ended.returncode == 1
    assert "pip install " in ended.stderr.splitlines()[-1]


def test_the_page_and_the_makefile_speak_of_it():
    page, makefile = ((REPOSITORY / name).read_text() for name in ("docs/install.md", "Makefile"))
    assert "--requirement small.txt" in makefile
    for module in ("torch", "umap-learn", "duckdb", "lancedb"):
        assert f"`{module}`" in page
