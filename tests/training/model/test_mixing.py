"""A picture side mixed of several: of a trained backbone and what it started from, and of several runs."""

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from cladescope.errors import EncoderError
from cladescope.training.loop.export import export
from cladescope.training.model.start import build
from cladescope.training.sections import ModelConfig

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE = {"image_size": 32, "embed_dim": 16, "text_width": 32, "text_layers": 1, "text_heads": 2, "text_context": 64}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three exported encoders from one start, each changed in its own way, and the file of the start."""
    folder = tmp_path_factory.mktemp("runs")
    torch.manual_seed(3)
    start = timm.create_model("test_efficientnet", num_classes=7)
    with torch.no_grad():
        for name, buffer in start.named_buffers():
            if "running" in name:
                buffer.uniform_(0.5, 1.5)
    save_file(start.state_dict(), folder / "start.safetensors")
    given = {"timm": "test_efficientnet", "weights": str(folder / "start.safetensors"), "freeze_norm": True, **SIDE}
    found = []
    for number in range(3):
        towers = build(ModelConfig(**given))
        with torch.no_grad():
            for parameter in towers.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
        found.append(str(export(towers, folder / str(number) / "export", card={})))
    return found, str(folder / "start.safetensors")


def weights_of(folder, part):
    state = load_file(f"{folder}/open_clip_model.safetensors")
    return {name: value for name, value in state.items() if name.startswith(part) and value.is_floating_point()}


def test_runs_are_averaged_with_equal_shares_and_the_texts_are_those_of_the_first(runs, tmp_path):
    (first, second, third), _ = runs
    towers = build(ModelConfig(open_clip=first, averaged_with=(second, third), freeze_norm=True))
    found = str(export(towers, tmp_path / "export", card={}))
    visual = weights_of(found, "visual.")
    assert len(visual) > 20
    theirs = [weights_of(run, "visual.") for run in (first, second, third)]
    for name, value in visual.items():
        torch.testing.assert_close(value, sum(state[name] for state in theirs) / 3, atol=1e-6, rtol=1e-5)
    changed = [name for name, value in visual.items() if not torch.equal(value, theirs[0][name])]
    assert "visual.head.proj.weight" in changed
    assert len(changed) > 20
    for name, value in weights_of(first, "text.").items():
        torch.testing.assert_close(weights_of(found, "text.")[name], value)


def test_the_mean_of_runs_is_then_blended_with_their_start(runs):
    (first, second, _), start = runs
    given = {"open_clip": first, "averaged_with": (second,), "freeze_norm": True}
    mean = build(ModelConfig(**given)).clip.visual.trunk.state_dict()
    untouched = build(ModelConfig(open_clip=first, weights=start, blend=0.0, freeze_norm=True)).clip.visual.trunk
    blended = build(ModelConfig(**given, weights=start, blend=0.25)).clip.visual.trunk.state_dict()
    for name, value in untouched.state_dict().items():
        torch.testing.assert_close(blended[name], 0.25 * mean[name] + 0.75 * value)


def test_a_run_averaged_with_itself_is_what_it_was(runs):
    (first, *_), _ = runs
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        alone = build(ModelConfig(open_clip=first)).eval().pooled(images)
        twice = build(ModelConfig(open_clip=first, averaged_with=(first,), freeze_norm=True)).eval().pooled(images)
    torch.testing.assert_close(twice, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("other", [{"timm": "test_resnet"}, {"embed_dim": 8}])
def test_runs_of_other_recipes_are_not_averaged(runs, tmp_path, other):
    (first, *_), _ = runs
    odd = build(ModelConfig(**{"timm": "test_efficientnet", "freeze_norm": True, **SIDE, **other}))
    folder = str(export(odd, tmp_path / "odd", card={}))
    with pytest.raises(EncoderError, match=r"odd in model.averaged_with has another picture side than .*: name runs"):
        build(ModelConfig(open_clip=first, averaged_with=(folder,), freeze_norm=True))


@pytest.mark.parametrize("backbone", ["test_efficientnet", "test_resnet", "test_vit"])
def test_a_trained_backbone_is_blended_with_what_it_started_from(backbone, tmp_path):
    torch.manual_seed(3)
    start = timm.create_model(backbone, num_classes=7)
    with torch.no_grad():  # norms that do something
        for name, buffer in start.named_buffers():
            if "running" in name:
                buffer.uniform_(0.5, 1.5)
    save_file(start.state_dict(), tmp_path / "start.safetensors")
    size = {**SIDE, "image_size": 160 if backbone == "test_vit" else 32}
    first = build(ModelConfig(timm=backbone, weights=str(tmp_path / "start.safetensors"), freeze_norm=True, **size))
    with torch.no_grad():
        for parameter in first.clip.visual.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    given = {"open_clip": str(export(first, tmp_path / "export", card={})), "freeze_norm": True}
    given["weights"] = str(tmp_path / "start.safetensors")
    images = torch.rand(2, 3, size["image_size"], size["image_size"])

    def pooled(share):
        towers = build(ModelConfig(**given, blend=share)).eval()
        with torch.inference_mode():
            return towers.pooled(images), dict(towers.clip.visual.named_parameters())

    trained, ends = pooled(1 - 1e-9)
    with torch.inference_mode():
        torch.testing.assert_close(trained, first.eval().pooled(images), atol=1e-5, rtol=1e-4)
        start = build(ModelConfig(timm=backbone, weights=str(tmp_path / "start.safetensors"), **size))
        expected = start.eval().pooled(images)
    untouched, starts = pooled(0.0)
    torch.testing.assert_close(untouched, expected, atol=1e-5, rtol=1e-4)
    _, halves = pooled(0.5)
    for name, half in halves.items():
        torch.testing.assert_close(half, (starts[name] + ends[name]) / 2)


def test_an_efficientnet_lite_is_folded_whole_and_exported_as_it_is(tmp_path):
    torch.manual_seed(3)
    name = "tf_efficientnet_lite0"
    trunk = timm.create_model(name)
    with torch.no_grad():
        for key, buffer in trunk.named_buffers():
            if "running" in key:
                buffer.uniform_(0.5, 1.5)
    weights = tmp_path / "lite0.safetensors"
    save_file(trunk.half().state_dict(), weights)  # its files are of half precision
    trunk = trunk.float().eval()
    towers = build(ModelConfig(timm=name, weights=str(weights), freeze_norm=True, **SIDE)).eval()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in towers.clip.visual.modules())
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        expected = trunk.forward_head(trunk.forward_features(images), pre_logits=True)
        torch.testing.assert_close(towers.pooled(images), expected, atol=1e-4, rtol=1e-4)
    folder = str(export(towers, tmp_path / "export", card={}))
    again = build(ModelConfig(open_clip=folder, weights=str(weights), blend=0.5, freeze_norm=True)).eval()
    with torch.inference_mode():
        torch.testing.assert_close(again.pooled(images), expected, atol=1e-4, rtol=1e-4)


def test_only_a_timm_backbone_can_be_blended(runs, checkpoint):
    _, path = runs
    with pytest.raises(EncoderError, match="model.blend is of a timm backbone"):
        build(ModelConfig(open_clip=str(checkpoint), weights=path, blend=0.5, freeze_norm=True))
