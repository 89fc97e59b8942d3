"""Encoders without torch: the same vectors, and what happens where the graphs cannot be used."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

import cladescope
from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.embedding.encoders import onnx_export, onnx_model, onnx_towers
from cladescope.embedding.encoders.onnx_model import OnnxEncoder
from cladescope.embedding.encoders.onnx_towers import AGREE, lowest_cosine, probe_pictures
from cladescope.embedding.shipped import shipped_folder
from cladescope.embedding.ways import Way
from cladescope.errors import EncoderError, StoreError
from tests.conftest import REPOSITORY

TINY = shipped_folder("tiny")
SIDE = 192
TEXTS = ["a photo of Parus major.", "owl", "a photo of Plantae with common name Café × crème! " * 9]


@pytest.fixture(scope="module")
def by_torch():
    return Encoder.load("tiny", device="cpu", runtime="torch")


@pytest.fixture(scope="module")
def by_onnx():
    return Encoder.load("tiny", device="cpu")


@pytest.fixture(scope="module")
def _exported(checkpoint, tmp_path_factory):
    folder = Path(shutil.copytree(checkpoint, tmp_path_factory.mktemp("exported") / "folder"))
    onnx_export.export_beside(folder)
    return folder


@pytest.fixture
def copy(_exported, tmp_path):
    """A small checkpoint folder with graphs that a test may damage."""
    return Path(shutil.copytree(_exported, tmp_path / "copy"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_model, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def photographs(clades):
    return [Image.open(path) for path in sorted(clades.rglob("*.jpg"))[::3]]


def test_tiny_is_encoded_without_torch_to_the_vectors_of_torch(by_torch, by_onnx, photographs):
    assert isinstance(by_onnx, OnnxEncoder)
    assert not isinstance(by_torch, OnnxEncoder)
    assert lowest_cosine(by_onnx.encode_images(photographs), by_torch.encode_images(photographs)) >= AGREE
    assert lowest_cosine(by_onnx.encode_texts(TEXTS), by_torch.encode_texts(TEXTS)) >= AGREE
    np.testing.assert_allclose(np.linalg.norm(by_onnx.encode_images(photographs), axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("n_cores", [1, 2, 3, 16])
def test_vectors_are_the_same_bits_on_any_number_of_cores_and_in_any_batch(by_onnx, monkeypatch, n_cores):
    monkeypatch.setattr(onnx_towers, "n_cores", lambda: n_cores)
    pictures = probe_pictures(SIDE)
    shared = np.concatenate([onnx_towers._unit(by_onnx._towers._picture(one[None])) for one in pictures])
    towers = onnx_towers.read_towers(TINY)
    made = towers.pictures(pictures)
    assert (towers._side_by_side is None) == (n_cores > len(pictures))
    np.testing.assert_array_equal(made, shared)
    for n in (1, 3, 8):
        np.testing.assert_array_equal(towers.pictures(pictures[:n]), shared[:n])


@pytest.mark.parametrize("n_cores", [1, 2, 4])
def test_vectors_are_those_of_the_identity_in_every_way_to_use_the_cores(by_onnx, by_torch, monkeypatch, n_cores):
    monkeypatch.setattr(onnx_towers, "n_cores", lambda: n_cores)
    pictures, towers = probe_pictures(SIDE)[:5], onnx_towers.read_towers(TINY)
    ways = (towers.default_way, *towers.other_ways)
    assert len(set(ways)) == len(ways) >= 4
    reference = by_torch.encode_pixels(pictures)
    found = [towers.in_way(way)(pictures) for way in ways]
    assert min(lowest_cosine(vectors, reference) for vectors in found) >= AGREE
    assert not towers._towers  # what nobody computes by is let go


def test_both_have_one_identity_so_that_their_vectors_may_be_mixed(by_torch, by_onnx):
    assert by_onnx.card == by_torch.card
    assert by_onnx.text_scale == by_torch.text_scale
    assert by_onnx.taxa_file == by_torch.taxa_file
    assert by_onnx.notes == by_torch.notes == ()


def test_the_graphs_of_tiny_hold_no_weights_and_point_at_those_that_ship():
    weights = (TINY / "open_clip_model.safetensors").stat().st_size
    assert sum(path.stat().st_size for path in TINY.glob("*.onnx")) < weights / 50
    said = json.loads((TINY / "onnx.json").read_text())
    assert said["weights"][0] == "open_clip_model.safetensors"
    assert min(said["cosines"].values()) >= AGREE
    assert said["card"]["name"] == ""


def test_any_number_of_pictures_is_a_batch_and_none_gives_no_vector(by_onnx):
    pictures = probe_pictures(SIDE)
    whole = by_onnx.encode_pixels(pictures)
    for n in (1, 3, 8):
        np.testing.assert_allclose(by_onnx.encode_pixels(pictures[:n]), whole[:n], atol=1e-5)
    assert by_onnx.encode_texts([]).shape == (0, 512)


def test_a_store_made_by_one_runtime_is_searched_and_continued_by_the_other(clades, tmp_path, by_torch):
    first = sorted(clades.rglob("*.jpg"))[0]
    made = {}
    for name, encoder in (("torch", by_torch), ("onnx", "tiny")):
        path = tmp_path / f"{name}.store"
        cladescope.embed(clades / "metadata.csv", path, encoder=encoder, limit=10)
        made[name] = path
    answers = [cladescope.search(path, str(first), k=3) for path in made.values()]
    assert [hit.uri for hit in answers[0].hits] == [hit.uri for hit in answers[1].hits]
    assert cladescope.embed(clades / "metadata.csv", made["torch"], limit=14).embedded == 4


def test_neither_embed_nor_search_imports_torch(clades, tmp_path):
    first = sorted(clades.rglob("*.jpg"))[0]
    code = (
        "import sys, cladescope\n"
        "from cladescope.embedding import driver\n"
        "driver.DRIVER_FILES = ()\n"
        f"cladescope.embed({str(clades / 'metadata.csv')!r}, {str(tmp_path / 's.store')!r}, limit=6)\n"
        f"found = cladescope.search({str(tmp_path / 's.store')!r}, {str(first)!r}, k=1)\n"
        f"text = cladescope.search({str(tmp_path / 's.store')!r}, text='a bird', k=1)\n"
        "print(len(found.hits), len(text.hits), *({'torch', 'open_clip', 'timm'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert run.stdout.split() == ["1", "1"]


@pytest.mark.parametrize(
    "damage, told",
    [
        (lambda folder: (folder / "picture.onnx").write_bytes(b"no graph"), "picture.onnx is not the file"),
        (lambda folder: (folder / "text.onnx").unlink(), "no text.onnx in"),
        (lambda folder: (folder / "onnx.json").write_text("{"), "onnx.json cannot be used"),
        (lambda folder: (folder / "onnx.json").write_text('{"format": 9}'), "format 9, expected 1"),
    ],
)
def test_graphs_that_cannot_be_used_leave_the_encoder_to_torch_with_a_note(copy, damage, told):
    whole = Encoder.load(str(copy), device="cpu")
    assert isinstance(whole, OnnxEncoder)
    damage(copy)
    encoder = Encoder.load(str(copy), device="cpu")
    assert not isinstance(encoder, OnnxEncoder)
    (note,) = encoder.notes
    assert told in note
    assert "encoded by torch" in note
    assert encoder.card == whole.card
    with pytest.raises(EncoderError, match=r"picture.onnx|text.onnx|onnx.json"):
        Encoder.load(str(copy), device="cpu", runtime="onnx")


def test_the_note_reaches_the_summary_of_a_job_and_the_answer_of_a_search(copy, clades, tmp_path):
    (copy / "picture.onnx").unlink()
    path = tmp_path / "s.store"
    summary = cladescope.embed(clades / "metadata.csv", path, encoder=str(copy), limit=3)
    assert [note for note in summary.notes if "encoded by torch" in note]
    answer = cladescope.search(path, str(sorted(clades.rglob("*.jpg"))[0]), k=1)
    assert [note for note in answer.notes if "encoded by torch" in note]


def test_weights_that_were_replaced_are_not_computed_by_the_old_graphs(copy):
    with (copy / "open_clip_model.safetensors").open("r+b") as file:
        file.seek(-2, 2)
        file.write(b"\0\1")
    assert "open_clip_model.safetensors is not the file" in Encoder.load(str(copy), device="cpu").notes[0]


def test_a_folder_without_graphs_is_loaded_by_torch_without_a_note(checkpoint):
    encoder = Encoder.load(str(checkpoint), device="cpu")
    assert not isinstance(encoder, OnnxEncoder)
    assert encoder.notes == ()


def test_any_encoder_is_exported_once_and_kept(checkpoint, cache, monkeypatch):
    by_torch = Encoder.load(str(checkpoint), device="cpu")
    encoder = Encoder.load(str(checkpoint), device="cpu", runtime="onnx")
    assert encoder.card == by_torch.card
    pictures = probe_pictures(32)
    assert lowest_cosine(encoder.encode_pixels(pictures), by_torch.encode_pixels(pictures)) >= AGREE
    assert lowest_cosine(encoder.encode_texts(TEXTS), by_torch.encode_texts(TEXTS)) >= AGREE
    assert encoder.text_scale == pytest.approx(by_torch.text_scale)

    def again(*args, **kwargs):
        raise AssertionError("exported twice")

    monkeypatch.setattr(onnx_export, "export_towers", again)
    same = Encoder.load(str(checkpoint), device="cpu", runtime="onnx")
    np.testing.assert_array_equal(same.encode_pixels(pictures), encoder.encode_pixels(pictures))
    assert len(list(cache.iterdir())) == 1


def test_what_is_damaged_in_the_cache_is_made_anew(checkpoint, cache):
    Encoder.load(str(checkpoint), device="cpu", runtime="onnx")
    (kept,) = cache.iterdir()
    (kept / "picture.onnx").write_bytes(b"")
    encoder = Encoder.load(str(checkpoint), device="cpu", runtime="onnx")
    assert isinstance(encoder, OnnxEncoder)
    assert (kept / "picture.onnx").stat().st_size > 0


def test_a_backbone_of_timm_is_exported_too(cache, monkeypatch, tmp_path):
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(timm.create_model("test_byobnet", num_classes=0).state_dict(), tmp_path / "w.safetensors")
    name = f"timm:test_byobnet@{tmp_path / 'w.safetensors'}"
    by_torch, encoder = (Encoder.load(name, device="cpu", runtime=runtime) for runtime in ("torch", "onnx"))
    pictures = probe_pictures(by_torch.transform.size)
    assert encoder.card == by_torch.card
    assert lowest_cosine(encoder.encode_pixels(pictures), by_torch.encode_pixels(pictures)) >= AGREE
    with pytest.raises(EncoderError, match="no text side"):
        encoder.encode_texts(["owl"])


def test_graphs_whose_vectors_are_others_do_not_count(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "lowest_cosine", lambda one, other: 0.9)
    with pytest.raises(EncoderError, match=r"not that of torch \(cosine 0.900000, expected 0.99999\)"):
        onnx_export.export_towers(Encoder.load(str(checkpoint), device="cpu"), tmp_path)
    assert not (tmp_path / "onnx.json").exists()


def test_without_the_package_that_writes_graphs_the_extra_is_named(checkpoint, cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(EncoderError, match=r"pip install 'cladescope\[onnx\]'"):
        Encoder.load(str(checkpoint), device="cpu", runtime="onnx")


def test_without_openvino_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(EncoderError, match=r"pip install 'cladescope\[openvino\]'"):
        Encoder.load("tiny", device="cpu", runtime="openvino")


@pytest.mark.parametrize(
    "name, asked, told",
    [
        ("pixels", {"runtime": "onnx"}, "leave out the runtime"),
        ("tiny", {"runtime": "onnx", "device": "cuda"}, "computes on a CPU"),
        ("tiny", {"runtime": "onnx", "precision": "bf16"}, "computes in fp32"),
    ],
)
def test_what_a_runtime_cannot_do_is_told(name, asked, told):
    with pytest.raises(EncoderError, match=told):
        Encoder.load(name, **asked)


def test_bf16_weights_and_the_runtime_torch_are_torch_s(by_torch):
    assert not isinstance(Encoder.load("tiny", device="cpu", precision="bf16"), OnnxEncoder)
    assert not isinstance(by_torch, OnnxEncoder)


class TestOtherVectors:
    """A runtime whose vectors are not those of torch to a cosine of 0.99999."""

    @pytest.fixture
    def other(self, by_onnx):
        return replace(by_onnx.card, runtime="openvino", cosine=0.99908, precision="fp32")

    def test_its_card_says_so_and_is_another_identity(self, other, by_onnx):
        assert EncoderCard.from_dict(json.loads(json.dumps(other.to_dict()))) == other
        assert other.identity != by_onnx.card.identity
        told = "runtime openvino (cosine 0.99908 to full precision) are not those of runtime torch"
        assert told in str(other.difference(by_onnx.card))
        assert other.difference(replace(other, cosine=0.9991)) is None

    def test_a_store_of_the_others_refuses_them(self, other, clades, tmp_path, by_onnx):
        class Rounded(OnnxEncoder):
            pass

        rounded = Rounded(by_onnx._towers, other, lambda: by_onnx, taxa_file=None)
        source = clades / "metadata.csv"
        cladescope.embed(source, tmp_path / "exact.store", encoder="tiny", limit=2)
        with pytest.raises(StoreError, match="the vectors of runtime torch are not those of runtime openvino"):
            cladescope.embed(source, tmp_path / "exact.store", encoder=rounded, limit=4)

    def test_openvino_computes_the_same_in_fp32(self, by_onnx, photographs):
        pytest.importorskip("openvino")
        encoder = Encoder.load("tiny", device="cpu", runtime="openvino")
        assert encoder.card == by_onnx.card
        assert lowest_cosine(encoder.encode_images(photographs), by_onnx.encode_images(photographs)) >= AGREE

    def test_openvino_computes_the_same_in_every_way(self, by_onnx, monkeypatch):
        pytest.importorskip("openvino")
        monkeypatch.setattr(onnx_towers, "n_cores", lambda: 2)
        encoder, pictures = Encoder.load("tiny", device="cpu", runtime="openvino"), probe_pictures(SIDE)[:5]
        assert encoder.default_way == by_onnx.default_way == Way(part=2, side_by_side=2, threads=1)
        assert {way.side_by_side for way in encoder.other_ways} == {1, 2}
        for way in (encoder.default_way, *encoder.other_ways):
            assert lowest_cosine(encoder.in_way(way)(pictures), by_onnx.encode_pixels(pictures)) >= AGREE

    def test_openvino_tells_nobody_that_it_is_used(self, tmp_path):
        """Its package imports another one that tells Intel, forks a process for it, and writes to the home folder."""
        pytest.importorskip("openvino")
        code = (
            "import sys; from cladescope.embedding.encoder import Encoder\n"
            "Encoder.load('tiny', device='cpu', runtime='openvino').encode_images([])\n"
            "assert 'openvino' in sys.modules\n"
            "assert not [name for name in sys.modules if name.startswith('openvino_telemetry')]"
        )
        home = {name: value for name, value in os.environ.items() if name != "CI"} | {"HOME": str(tmp_path)}
        subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY, env=home)
        assert not (tmp_path / "intel").exists()

    def test_the_package_that_tells_is_left_to_others(self, monkeypatch):
        other = ModuleType("openvino_telemetry")
        monkeypatch.setitem(sys.modules, "openvino_telemetry", other)
        with onnx_towers.silent_telemetry(), pytest.raises(ImportError):
            importlib.import_module("openvino_telemetry")
        assert sys.modules["openvino_telemetry"] is other

    def test_openvino_in_bf16_says_its_cosine_or_that_the_processor_has_none(self, by_onnx):
        pytest.importorskip("openvino")
        encoder = Encoder.load("tiny", device="cpu", runtime="openvino", precision="bf16")
        if encoder.card.runtime is None:
            assert "computed in fp32" in encoder.notes[0]
            assert encoder.card == by_onnx.card
        else:
            assert 0.9 < encoder.card.cosine < AGREE
            assert encoder.card.difference(by_onnx.card) is not None


def test_a_runtime_that_cannot_load_a_graph_says_so_in_a_line(tmp_path):
    (tmp_path / "picture.onnx").write_bytes(b"no graph")
    with pytest.raises(EncoderError, match="onnx cannot load .*picture.onnx"):
        onnx_towers.tower(tmp_path / "picture.onnx", engine="onnx", precision="fp32")


def test_the_threads_do_not_spin_while_they_wait(monkeypatch):
    made = []
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda path, options, **more: made.append(options) or real(path, options, **more),
    )
    onnx_towers.tower(TINY / "picture.onnx", engine="onnx", precision="fp32")
    assert made[0].get_session_config_entry("session.intra_op.allow_spinning") == "0"
