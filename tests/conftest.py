"""What the tests share: simulated clades, a store of them, and a small open_clip checkpoint made on the spot."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from cladescope.embedding.encoder import Encoder
from cladescope.embedding.pipeline import embed
from cladescope.embedding.sources import open_source
from cladescope.index.store import Store
from cladescope.simulation import SimulationConfig, simulate
from tests.app.cli.command_line import fails, misused, photos, query, run, vectors
from tests.embedding.reading import remote

__all__ = ["fails", "misused", "photos", "query", "remote", "run", "vectors"]
"""Fixtures that stand in modules of their own."""

# A busy machine is no fault of the code: no deadline, no complaint that examples are slow to draw. The same examples in
# every run, so that a change is judged by what it changes; `--hypothesis-profile search` looks for new ones.
_UNTIMED = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("search", _UNTIMED, max_examples=500)
hypothesis.settings.register_profile("repeatable", _UNTIMED, derandomize=True)
hypothesis.settings.load_profile("repeatable")

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = REPOSITORY.parent / "shared" / "data"

MODEL_CONFIG: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
PREPROCESS_CONFIG = {
    "mean": [0.48, 0.46, 0.41],
    "std": [0.27, 0.26, 0.28],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


@pytest.fixture(scope="session")
def clades(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of 12 simulated species with 4 pictures each."""
    folder = tmp_path_factory.mktemp("clades") / "clades"
    simulate(folder, SimulationConfig(species=12, images=4, seed=1, size=96))
    return folder


@pytest.fixture(scope="session")
def _clade_store(clades: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stores") / "clades.store"
    encoder = Encoder.load("pixels")
    summary = embed(open_source(clades / "metadata.csv"), encoder, Store.create(path, encoder.card))
    assert summary.embedded == 48
    return path


@pytest.fixture
def store(_clade_store: Path, tmp_path: Path) -> Store:
    """A store of the simulated clades by `pixels`, the test's own."""
    path = tmp_path / "clades.store"
    shutil.copytree(_clade_store, path)
    return Store.open(path)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An open_clip checkpoint folder with random weights: 32 numbers a vector, pictures of 32 pixels."""
    return write_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny-clip", seed=0)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread: steps of small models gain nothing from two, and wait for both where other tests
    run beside them."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def inductor() -> Iterator[None]:
    """Let torch's inductor compile in this process, instead of in two more that load torch for it, and take the processor's word for
    the vectors that it computes, which is tried by compiling programs otherwise."""
    from torch._inductor import config

    with config.patch({"compile_threads": 1, "cpp.vec_isa_ok": True}):
        yield


def write_checkpoint(folder: Path, *, seed: int, layers: int = 2) -> Path:
    """Make a small open_clip checkpoint folder."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    model_config = {**MODEL_CONFIG, "vision_cfg": {**MODEL_CONFIG["vision_cfg"], "layers": layers}}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.model.CLIP(**model_config)
    folder.mkdir()
    config = {"model_cfg": model_config, "preprocess_cfg": PREPROCESS_CONFIG}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(
        {name: value.contiguous() for name, value in model.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    return folder


@pytest.fixture(scope="module")
def finished(one_thread: None, clades: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of training in the small configuration, saved at every second step; not to be changed."""
    from cladescope.training.loop.train import train
    from tests.training.small_runs import small

    folder = tmp_path_factory.mktemp("runs") / "finished"
    train(small(clades, {"loop.save_every": 2}), folder, recipe="small")
    return folder
