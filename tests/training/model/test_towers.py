"""Where a model starts from, which layers it has, and that its export is the same model."""

import hashlib
import json
import stat

import numpy as np
import open_clip
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from cladescope.analysis.classify.taxon_lists import read_taxa, taxa_of
from cladescope.embedding.encoder import Encoder
from cladescope.errors import EncoderError, StoreError
from cladescope.training.loop.evaluate import normalised
from cladescope.training.loop.export import data_card, environment, export, read_card, write_taxa
from cladescope.training.model.start import build
from cladescope.training.model.towers import moving_norms, set_trainable
from cladescope.training.sections import ModelConfig
from tests.training.small_runs import small, started, wake_texts

pytestmark = pytest.mark.usefixtures("one_thread")

TEXTS = ["a photo of Parus major.", "wow! a tit", "a photo of " + "very " * 90 + "long.", "!", ""]
SIDE = {"image_size": 32, "embed_dim": 16, "text_width": 32, "text_layers": 1, "text_heads": 2, "text_context": 64}


def towers_of(**options):
    """Towers ready to encode, whose weights are no longer those of the start."""
    towers = build(ModelConfig(**options))
    wake_texts(towers)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in [*towers.named_parameters(), *towers.named_buffers()]:
            if value.is_floating_point() and "attn_mask" not in name:
                noise = torch.rand(value.shape, generator=generator) * 0.1
                value.add_(noise if "var" in name else noise - 0.05)
    return towers.eval()


def pictures(*, n=3, seed=0):
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(0, 256, (40, 52, 3), np.uint8)) for _ in range(n)]


@torch.inference_mode()
def encoded(towers, images, texts):
    """Vectors of the towers in training."""
    pixels = np.stack([towers.transform.apply(image) for image in images])
    image = towers.project(towers.pooled(normalised(pixels, towers.transform, torch.device("cpu"))))
    return image.numpy(), towers.texts(towers.tokenizer(texts)).numpy()


MODELS = {
    "timm": {"timm": "test_efficientnet", **SIDE},
    "timm with folded batch norms": {"timm": "test_efficientnet", **SIDE, "freeze_norm": True},
    "timm with a residual network": {"timm": "test_resnet", **SIDE, "freeze_norm": True},
    "timm at another size": {"timm": "test_efficientnet", **SIDE, "export_size": 48},
    "timm with a transformer": {"timm": "test_vit", **SIDE},
    "open_clip": {"open_clip": "CHECKPOINT"},
}


@pytest.fixture(params=MODELS)
def options(request, checkpoint):
    given = dict(MODELS[request.param])
    return {**given, "open_clip": str(checkpoint)} if "open_clip" in given else given


def test_plain_open_clip_loads_the_export_as_the_same_model(options, tmp_path):
    towers = towers_of(**options)
    folder = export(towers, tmp_path / "export", card={})
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    model.eval()
    images = pictures()
    expected, expected_text = encoded(towers, images, TEXTS)
    with torch.inference_mode():
        found = model.encode_image(torch.stack([preprocess(image) for image in images]), normalize=True).numpy()
        found_text = model.encode_text(tokenizer(TEXTS), normalize=True).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_allclose(found_text, expected_text, atol=2e-6)
    assert float(model.logit_scale.exp().detach()) == pytest.approx(float(towers.scale.detach()))


def test_our_encoder_loads_the_export_as_the_same_model(options, tmp_path):
    towers = towers_of(**options)
    encoder = Encoder.load(str(export(towers, tmp_path / "export", card={})), device="cpu", precision="fp32")
    images = pictures()
    expected, expected_text = encoded(towers, images, TEXTS)
    assert encoder.card.transform == towers.transform
    assert encoder.card.dim == towers.embed_dim
    pixels = np.stack([encoder.card.transform.apply(image) for image in images])
    np.testing.assert_allclose(encoder.encode_pixels(pixels), expected, atol=2e-5)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), expected_text, atol=2e-6)


def test_training_starts_from_an_export_with_the_same_vectors(options, tmp_path):
    towers = towers_of(**options)
    again = build(ModelConfig(open_clip=str(export(towers, tmp_path / "export", card={})))).eval()
    assert (again.transform, again.train_size) == (towers.transform, towers.transform.size)
    for found, expected in zip(*(encoded(side, pictures(), TEXTS) for side in (again, towers)), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)
    # And what is exported of that is the very same.
    first, second = (
        load_file(export(side, tmp_path / "twice", card={}) / "open_clip_model.safetensors") for side in (towers, again)
    )
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_half_precision_halves_the_file_and_hardly_moves_a_vector(tmp_path):
    towers = towers_of(**MODELS["timm"])
    whole = export(towers, tmp_path / "whole", card={})
    half = export(towers, tmp_path / "half", card={}, dtype="float16")
    sizes = [(folder / "open_clip_model.safetensors").stat().st_size for folder in (whole, half)]
    assert sizes[1] == pytest.approx(sizes[0] / 2, rel=0.05)
    expected, expected_text = encoded(towers, pictures(), TEXTS)
    encoder = Encoder.load(str(half), device="cpu", precision="fp32")
    pixels = np.stack([encoder.card.transform.apply(image) for image in pictures()])
    np.testing.assert_allclose(encoder.encode_pixels(pixels), expected, atol=5e-3)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), expected_text, atol=5e-3)


def test_the_card_says_what_is_in_the_folder(clades, tmp_path):
    run = started(small(clades), tmp_path)
    given = {
        "name": "small",
        "recipe": "small.toml",
        "started_from": "timm:test_efficientnet",
        "steps": 6,
        "scores": {"zero_shot_images": 0.25},
        "data": data_card(run.examples, run.split),
        "environment": environment(run.towers.device),
    }
    folder = export(run.towers, tmp_path / "export", card=given)
    card, page = read_card(folder), (folder / "README.md").read_text()
    digest = hashlib.sha256((folder / "open_clip_model.safetensors").read_bytes()).hexdigest()
    assert {key: card[key] for key in given} == json.loads(json.dumps(given))
    assert card["weights"]["sha256"] == digest
    assert card["weights"]["parameters"] == sum(
        value.numel() for value in run.towers.weights().values() if value.is_floating_point()
    )
    assert card["data"]["pictures"] == len(run.split.train)
    assert sum(card["data"]["licences"].values()) == sum(card["data"]["sources"].values()) == len(run.split.train)
    assert card["environment"]["device"] == "cpu"
    for told in (
        "# small",
        digest,
        "small.toml",
        "timm:test_efficientnet",
        "zero_shot_images | 0.250",
        "not stated | 28",
    ):
        assert told in page


def test_the_taxa_that_were_trained_on_are_exported_and_found_again(clades, tmp_path):
    run = started(small(clades), tmp_path)
    folder = export(run.towers, tmp_path / "export", card={})
    assert Encoder.load(str(folder)).taxa_file is None
    path = write_taxa(folder, run.examples, run.split)
    assert Encoder.load(str(folder)).taxa_file == path
    listed = taxa_of(read_taxa(path))
    assert set(listed) == {run.examples.taxa[row] for row in run.split.train}
    assert not set(listed) & set(run.split.held_out_taxa)


def test_everybody_who_may_read_the_folder_may_read_the_weights(tmp_path):
    folder = export(towers_of(**MODELS["timm"]), tmp_path / "export", card={})
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert len(modes) == 1


def test_an_export_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot export to .*: free some space or choose another folder"):
        export(towers_of(**MODELS["timm"]), tmp_path / "file" / "export", card={})
    with pytest.raises(StoreError, match=r"card.json cannot be read"):
        read_card(tmp_path)


def test_shortened_texts_have_the_vectors_of_whole_ones(options):
    towers = towers_of(**options)
    tokens = towers.tokenizer(TEXTS)
    with torch.inference_mode():
        whole = torch.nn.functional.normalize(towers.clip.encode_text(tokens), dim=-1)
        for rows in ([0, 1, 2, 3, 4], [0], [1], [3], [4], [1, 3]):
            np.testing.assert_allclose(towers.texts(tokens[rows]), whole[rows], atol=2e-6)
        assert towers.texts(tokens[:0]).shape == (0, towers.embed_dim)
    assert tuple(towers.clip.text.attn_mask.shape) == (tokens.shape[1],) * 2


def test_short_texts_are_encoded_at_their_own_length(monkeypatch):
    towers = towers_of(**MODELS["timm"])
    seen = []
    real = towers.clip.encode_text
    monkeypatch.setattr(towers.clip, "encode_text", lambda tokens: (seen.append(tokens.shape), real(tokens))[1])
    towers.texts(towers.tokenizer(["a tit", "tit"]))
    assert seen == [(2, 4)]  # start, two words, end


@pytest.mark.parametrize(
    "name, n_layers, stem, top",
    [
        ("test_efficientnet", 7, ("conv_stem", "bn1"), ("conv_head", "bn2")),
        ("test_resnet", 5, ("conv1", "bn1"), ()),
        ("test_vit", 8, ("cls_token", "pos_embed", "patch_embed"), ("norm",)),
        ("test_convnext", 6, ("stem",), ("head",)),
    ],
)
def test_layers_count_from_the_stem_to_what_follows_the_blocks(name, n_layers, stem, top):
    towers = build(ModelConfig(timm=name, **SIDE))
    layers = {parameter: towers.layer_of(parameter) for parameter, _ in towers.clip.visual.named_parameters()}
    assert towers.n_layers == n_layers
    assert set(layers.values()) == set(range(n_layers))
    for parameter, layer in layers.items():
        place = parameter.removeprefix("trunk.").split(".")
        if place[0] in stem:
            assert layer == 0, parameter
        elif place[0] in top:
            assert layer == n_layers - 1, parameter
        else:
            number = next(int(part.removeprefix("layer")) for part in place if part.removeprefix("layer").isdecimal())
            assert layer == number + (0 if name == "test_resnet" else 1), parameter


def test_layers_of_a_folded_model_are_those_of_the_whole():
    whole, folded = (
        build(ModelConfig(timm="test_efficientnet", **SIDE, freeze_norm=freeze)) for freeze in (False, True)
    )
    assert whole.n_layers == folded.n_layers
    for name, _ in folded.clip.visual.named_parameters():
        assert folded.layer_of(name) == whole.layer_of(name.replace(".bias", ".weight"))


def test_batch_norms_that_cannot_be_folded_keep_their_statistics_too():
    config = ModelConfig(timm="test_byobnet", **SIDE, freeze_norm=True)
    towers = build(config)
    set_trainable(towers, config, locked=False)
    assert moving_norms(towers) == 0
    towers.train()
    loose = ModelConfig(timm="test_byobnet", **SIDE)
    towers = build(loose)
    set_trainable(towers, loose, locked=False)
    assert moving_norms(towers) > 0
    set_trainable(towers, loose, locked=True)
    assert moving_norms(towers) == 0


@pytest.mark.parametrize(("resize", "crop_mode"), [("crop", "center"), ("squash", "squash")])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_a_declared_transform_is_timms_and_is_exported(tmp_path, interpolation, resize, crop_mode):
    declared = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "interpolation": interpolation}
    expected = timm.data.create_transform((3, 32, 32), crop_pct=1.0, crop_mode=crop_mode, **declared)
    towers = build(ModelConfig(timm="test_efficientnet", **SIDE, **declared, resize=resize))
    folder = export(towers, tmp_path / "export", card={})
    _, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    for picture in pictures():
        pixels = torch.from_numpy(towers.transform.normalise(towers.transform.apply(picture)[None])[0])
        torch.testing.assert_close(pixels, expected(picture), atol=2e-6, rtol=0)
        torch.testing.assert_close(preprocess(picture), expected(picture), atol=2e-6, rtol=0)


@pytest.fixture
def weights(tmp_path):
    """Weights of a backbone with its classifier, as they are shipped."""
    torch.manual_seed(3)
    trunk = timm.create_model("test_convnext", num_classes=7)
    save_file(trunk.state_dict(), tmp_path / "backbone.safetensors")
    return trunk.eval(), tmp_path / "backbone.safetensors"


def test_a_backbone_is_filled_from_a_file_without_its_classifier(weights):
    trunk, path = weights
    towers = build(ModelConfig(timm="test_convnext", weights=str(path), **SIDE)).eval()
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        expected = trunk.forward_head(trunk.forward_features(images), pre_logits=True)
        torch.testing.assert_close(towers.pooled(images), expected)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"timm": "test_resnet", "weights": "backbone.safetensors"}, "backbone.safetensors is of another architecture"),
        ({"timm": "test_convnext", "weights": "missing.safetensors"}, "no weight file .*missing.safetensors"),
        ({"timm": "test_convnext", "weights": "text.safetensors"}, "text.safetensors is not a safetensors file"),
        ({"timm": "test_convnex"}, "timm has no backbone 'test_convnex': near names are .*test_convnext"),
        ({"timm": "test_vit3"}, "test_vit3 cannot take pictures of 32 pixels .*: set model.image_size"),
        ({"open_clip": "ViT-B-61"}, "cannot start from 'ViT-B-61'"),
        ({"open_clip": "ViT-B-16/no_such_tag"}, "cannot start from 'ViT-B-16/no_such_tag'"),
        ({"open_clip": "local-dir:/nowhere"}, "cannot start from 'local-dir:/nowhere'"),
        ({"open_clip": "CHECKPOINT", "export_size": 48}, "cannot take pictures of 48 pixels"),
    ],
)
def test_what_cannot_be_started_from_is_told_in_one_line(weights, checkpoint, tmp_path, options, message):
    (tmp_path / "text.safetensors").write_text("no weights")
    given = dict(options)
    if "weights" in given:
        given["weights"] = str(tmp_path / given["weights"])
    if given.get("open_clip") == "CHECKPOINT":
        given["open_clip"] = str(checkpoint)
    config = ModelConfig(**given, **(SIDE if "timm" in given else {}))
    with pytest.raises(EncoderError, match=message) as caught:
        build(config)
    assert "\n" not in str(caught.value)


def test_a_second_projection_for_replay_starts_as_the_first_and_is_not_exported():
    towers = towers_of(**MODELS["timm"])
    names = towers.weights().keys()
    towers.add_replay_projection()
    pooled = torch.rand(2, towers.pooled_dim)
    torch.testing.assert_close(towers.project(pooled, replay=True), towers.project(pooled))
    assert towers.weights().keys() == names
