"""What the examples in the docstrings of the verbs find around them: simulated pictures, and things made of them."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def example_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`photos/`: 24 pictures of 6 simulated species in 3 genera; `photos.store`, by `pixels`; `query.jpg`; `corrected.csv`; `emb.parquet`."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    import cladescope

    folder = tmp_path_factory.mktemp("examples") / "folder"
    folder.mkdir()
    cladescope.simulate(folder / "photos", species=6, images=4, size=64, seed=3)
    cladescope.embed(folder / "photos" / "metadata.csv", folder / "photos.store", encoder="pixels")
    first = min((folder / "photos").rglob("*.jpg"))
    shutil.copy(first, folder / "query.jpg")
    (folder / "corrected.csv").write_text(f"file,common_name\n{first.relative_to(folder)},shore plant\n")
    vectors = pa.array(list(np.eye(4, dtype=np.float32)))
    pq.write_table(pa.table({"emb": vectors, "species": ["Parus major"] * 4}), folder / "emb.parquet")
    return folder


@pytest.fixture(autouse=True)
def _example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Run the examples of the verbs in a copy of that folder of their own."""
    if isinstance(request.node, pytest.DoctestItem) and ".app.verbs." in request.node.name:
        folder = tmp_path_factory.mktemp("example") / "folder"
        shutil.copytree(request.getfixturevalue("example_folder"), folder)
        request.getfixturevalue("monkeypatch").chdir(folder)
