"""The benchmark of a GPU, run small on a processor: its figures have the names and the right answers that it claims."""

import importlib
import json

import jaxtyping
import pytest
import torch

from cladescope.embedding.encoders import compiled
from tests.conftest import REPOSITORY


@pytest.fixture
def _one_thread():
    """Sums this small take longer on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_one_thread")
def test_it_runs_on_a_processor_and_every_answer_is_right(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    gpu = importlib.import_module("gpu")
    arguments = ["gpu.py", "--sizes", "600x8", "--device", "cpu", "--queries", "16", "--seconds", "0"]
    monkeypatch.setattr("sys.argv", [*arguments, "--out", str(tmp_path)])
    monkeypatch.setattr(gpu, "CONFIGS", gpu.CONFIGS[:1])
    monkeypatch.setattr(gpu, "MASKS", (0.1,))
    gpu.main()
    written = json.loads((tmp_path / "gpu.json").read_text())
    checked = [row for row in written["search"] if "right" in row]
    assert {(row["k"], row["rows"], row["batch"]) for row in checked} == {
        (k, rows, batch)
        for k in (10, 100)
        for rows, batch in [("all rows", 1), ("all rows", 16), ("mask of 10.00%", 1)]
    }
    assert all(row["right"] == 1 and row["off_by"] < 1e-6 for row in checked)
    assert len(written["configs"]) == 1
    assert {row["way"] for row in written["plain"]} >= {"products alone", "one query: torch.mv"}
    assert "queries" in (tmp_path / "gpu-profile-600x8.txt").read_text()


@pytest.mark.usefixtures("_one_thread")
def test_encoders_are_measured_on_a_processor_and_no_picture_is_lost(monkeypatch, tmp_path, request):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    encoders = importlib.import_module("gpu_encoders")
    arguments = [
        "gpu_encoders.py",
        "--models",
        "tiny",
        "--device",
        "cpu",
        "--pictures",
        "3",
        "--batches",
        "2",
        "--compile",
    ]
    monkeypatch.setattr("sys.argv", [*arguments, "--seconds", "0", "--out", str(tmp_path)])
    monkeypatch.setattr(encoders, "SIZES", {"small": (64, 48)})
    monkeypatch.setattr(encoders, "TYPES", {"fp32": torch.float32})
    monkeypatch.setattr(encoders, "PRODUCT", 1024)
    monkeypatch.setattr(compiled, "BACKEND", "eager")
    jaxtyping.config.update("jaxtyping_disable", True)  # its list of calls has torch compile anew
    request.addfinalizer(lambda: jaxtyping.config.update("jaxtyping_disable", False))
    assert len(set(encoders.jpegs((64, 48), 40))) == 40
    encoders.main()
    written = json.loads((tmp_path / "gpu-encoders.json").read_text())
    compiled_rows = ["encode_pixels, compiled", "encode_pixels, compiled, half a batch"]
    assert [row["way"] for row in written["forward"]] == ["forward", "encode_pixels", *compiled_rows]
    assert all(row["cosine"] > 0.99999 for row in written["forward"][2:])
    assert [row["way"].partition(",")[0] for row in written["whole"]] == ["decode", "whole"]
    assert all(row["pictures_per_s"] > 0 for part in ("forward", "whole") for row in written[part])
