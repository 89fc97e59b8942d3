import dataclasses
import json
import re
import shutil

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.embedding.encoders import weights
from cladescope.errors import EncoderError, StoreError
from cladescope.index.store import Store
from tests.conftest import SHARED_DATA, write_checkpoint


def pictures(n=3):
    generator = np.random.default_rng(0)
    return [Image.fromarray(generator.integers(0, 255, (40 + 7 * i, 60, 3), dtype=np.uint8)) for i in range(n)]


def test_a_checkpoint_folder_gives_the_vectors_of_open_clip_itself(checkpoint):
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{checkpoint}")
    tokens = open_clip.get_tokenizer(f"local-dir:{checkpoint}")(["a photo of Parus major."])
    with torch.inference_mode():
        expected = model.eval().encode_image(torch.stack([preprocess(p) for p in pictures()]), normalize=True).numpy()
        expected_text = model.encode_text(tokens, normalize=True).numpy()
    encoder = Encoder.load(str(checkpoint), device="cpu")
    np.testing.assert_allclose(encoder.encode_images(pictures(), batch_size=2), expected, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_texts(["a photo of Parus major."]), expected_text, atol=1e-5)


def test_bf16_weights_give_nearly_the_vectors_of_fp32(checkpoint):
    exact = Encoder.load(str(checkpoint), device="cpu", precision="fp32").encode_images(pictures())
    rounded = Encoder.load(str(checkpoint), device="cpu", precision="bf16").encode_images(pictures())
    assert (exact * rounded).sum(axis=1).min() > 0.99


def test_the_hash_knows_weights_and_not_files(checkpoint, tmp_path):
    same = write_checkpoint(tmp_path / "same", seed=0)
    other = write_checkpoint(tmp_path / "other", seed=1)
    cards = [Encoder.load(str(path)).card for path in (checkpoint, same, other)]
    assert cards[0].weight_hash == cards[1].weight_hash != cards[2].weight_hash
    assert cards[0].difference(cards[1]) is None
    assert "is not" in str(cards[0].difference(cards[2]))


def test_a_card_survives_json(checkpoint):
    for name in ("pixels", str(checkpoint)):
        card = Encoder.load(name).card
        assert EncoderCard.from_dict(json.loads(json.dumps(card.to_dict()))) == card


def test_cards_with_other_weights_or_transforms_differ():
    card = Encoder.load("pixels").card
    assert card.difference(card) is None
    assert "weights" in str(card.difference(dataclasses.replace(card, weight_hash="0" * 64)))
    other = dataclasses.replace(card.transform, size=64)
    assert "transform" in str(card.difference(dataclasses.replace(card, transform=other)))
    other = dataclasses.replace(card.transform, mean=(0.5, 0.5, 0.5), size=64)
    assert card.difference(dataclasses.replace(card, transform=other)) == (
        "the image transform (size 128, mean [0.0, 0.0, 0.0]) is not the same (size 64, mean [0.5, 0.5, 0.5])"
    )
    assert card.difference(dataclasses.replace(card, weight_hash=None, transform=None)) is None


def backbone(folder, name="test_byobnet"):
    """A file of seeded weights for a small timm backbone."""
    import timm

    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(timm.create_model(name, num_classes=0).state_dict(), folder / f"{name}.safetensors")
    return f"timm:{name}@{folder}/{name}.safetensors"


def vectors_differ(first, second):
    batch = np.random.default_rng(0).integers(0, 255, (2, first.transform.size, first.transform.size, 3), np.uint8)
    return bool(np.abs(first.encode_pixels(batch) - second.encode_pixels(batch)).max() > 1e-5)


@pytest.mark.parametrize(
    "name, first, second, words",
    [
        ("test_byobnet", "?global_pool=avg", "?global_pool=max", r"the pooling \(avg\) is not the same \(max\)"),
        ("test_efficientnet", "", "?pad_type=same", "the kind of layers .*Conv2dSame"),
        ("test_efficientnet", "", "?pad_type=valid", "the kind of layers .*pad_type=valid"),
        ("test_resnet", "", "?output_stride=8", "the kind of layers .*output_stride=8"),
    ],
)
def test_the_same_weights_computed_in_another_way_are_another_encoder(tmp_path, name, first, second, words):
    place = backbone(tmp_path, name)
    one, other = Encoder.load(place + first), Encoder.load(place + second)
    assert one.card.weight_hash == other.card.weight_hash
    assert vectors_differ(one, other)
    assert re.search(words, str(one.card.difference(other.card)))
    assert one.card.difference(Encoder.load(place + first).card) is None


def test_the_default_pooling_is_the_same_as_that_pooling_named(tmp_path):
    place = backbone(tmp_path)
    assert Encoder.load(place).card.difference(Encoder.load(f"{place}?global_pool=avg").card) is None


def test_two_poolings_do_not_mix_in_a_store(tmp_path):
    place = backbone(tmp_path)
    Store.create(tmp_path / "s", Encoder.load(f"{place}?global_pool=avg").card)
    with pytest.raises(StoreError, match="the pooling"):
        Store.open_or_create(tmp_path / "s", Encoder.load(f"{place}?global_pool=max").card)


def test_the_activation_of_an_open_clip_model_is_in_its_identity(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "quick")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["quick_gelu"] = not config["model_cfg"].get("quick_gelu", False)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    one, other = Encoder.load(str(checkpoint)), Encoder.load(str(folder))
    assert one.card.weight_hash == other.card.weight_hash
    assert vectors_differ(one, other)
    assert "the kind of layers" in str(one.card.difference(other.card))


@pytest.mark.parametrize(
    "setting, words",
    [
        ({"head_width": 16}, "heads 2.* is not the same .*heads 4"),
        ({"act_kwargs": {"approximate": "tanh"}}, "is not the same .*GELU tanh"),
        ({"norm_kwargs": {"eps": 0.01}}, "is not the same .*eps 0.01"),
    ],
)
def test_settings_that_weights_do_not_show_are_in_the_identity(checkpoint, tmp_path, setting, words):
    folder = shutil.copytree(checkpoint, tmp_path / "other")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["vision_cfg"] |= setting
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    one, other = Encoder.load(str(checkpoint)), Encoder.load(str(folder))
    assert one.card.weight_hash == other.card.weight_hash
    assert vectors_differ(one, other)
    assert re.search(words, str(one.card.difference(other.card)))


@pytest.mark.parametrize(
    "setting", [{"heads": 4}, {"pool_type": "first"}, {"tokenizer_kwargs": {"clean": "whitespace"}}]
)
def test_how_a_text_becomes_a_vector_is_in_the_identity(checkpoint, tmp_path, setting):
    folder = shutil.copytree(checkpoint, tmp_path / "other")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"] |= setting
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    one, other = Encoder.load(str(checkpoint)), Encoder.load(str(folder))
    assert one.card.weight_hash == other.card.weight_hash
    texts = ["a photo of Parus MAJOR"]
    assert not np.allclose(one.encode_texts(texts), other.encode_texts(texts))
    assert one.card.identity != other.card.identity
    assert "the text side" in str(one.card.difference(other.card))


def test_precision_is_in_the_identity_and_a_card_brings_it_back(checkpoint):
    exact = Encoder.load(str(checkpoint), device="cpu", precision="fp32").card
    rounded = Encoder.load(str(checkpoint), device="cpu", precision="bf16").card
    assert "precision, the type of the weights (fp32) is not the same (bf16)" in str(exact.difference(rounded))
    assert Encoder.of(rounded, device="cpu").card == rounded
    assert exact.identity != rounded.identity


@pytest.mark.parametrize("field", ["pooling", "projection", "layers", "text", "precision"])
def test_each_part_of_the_identity_differs_alone_and_is_no_difference_where_it_is_unknown(field):
    card = dataclasses.replace(Encoder.load("pixels").card, text="GELU")
    other = dataclasses.replace(card, **{field: "bf16" if field == "precision" else "other"})
    assert f"({getattr(card, field)}) is not the same ({getattr(other, field)})" in str(card.difference(other))
    unknown = dataclasses.replace(card, **{field: None})
    assert card.difference(unknown) is unknown.difference(other) is None


def test_a_card_of_an_older_store_opens_and_may_stand_beside_todays():
    card = Encoder.load("pixels").card
    old = {name: value for name, value in card.to_dict().items() if name in ("name", "dim", "weight_hash", "has_text")}
    opened = EncoderCard.from_dict(old | {"transform": card.to_dict()["transform"]})
    assert (opened.pooling, opened.projection, opened.layers, opened.precision) == (None,) * 4
    assert opened.difference(card) is card.difference(opened) is None


def test_pixels_are_unit_vectors_and_tell_colours_apart():
    encoder = Encoder.load("pixels")
    red, darker_red, blue = (Image.new("RGB", (50, 80), colour) for colour in ("#d02020", "#c81e1e", "#2020d0"))
    vectors = encoder.encode_images([red, darker_red, blue])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_pixels_do_not_depend_on_the_rest_of_the_batch():
    encoder = Encoder.load("pixels")
    together = encoder.encode_images(pictures())
    apart = np.concatenate([encoder.encode_images([picture]) for picture in pictures()])
    np.testing.assert_array_equal(together, apart)


def test_a_timm_backbone_is_filled_from_a_local_file_with_its_declared_transform(tmp_path):
    import timm

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = timm.create_model("test_byobnet", num_classes=5).eval()
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    encoder = Encoder.load(f"timm:test_byobnet@{tmp_path}/w.safetensors?size=64&mean=0.5&std=0.5&crop_fraction=1")
    assert encoder.transform.size == 64
    assert encoder.transform.mean == (0.5, 0.5, 0.5)
    batch = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
    tensor = torch.from_numpy(batch).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.inference_mode():
        features = model.forward_head(model.forward_features(tensor), pre_logits=True)
    expected = torch.nn.functional.normalize(features, dim=-1).numpy()
    np.testing.assert_allclose(encoder.encode_pixels(batch), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("size=64&size=32", "an option is given twice"),
        ("global_pool=", r"gives \d+ x \d+ x \d+ numbers a picture, expected one vector"),
        ("mean=nan", "mean is .*nan.*, expected numbers"),
        ("std=inf", "std is .*inf.*, expected positive numbers"),
    ],
)
def test_options_that_give_no_vectors_are_refused_in_one_line(options, message, tmp_path):
    with pytest.raises(EncoderError, match=message) as error:
        Encoder.load(f"{backbone(tmp_path)}?{options}")
    assert "\n" not in str(error.value)


def test_the_imagenet_backbone_loads_as_the_data_say():
    path = SHARED_DATA / "weights" / "mobilenetv2_imagenet.safetensors"
    if not path.exists():
        pytest.skip("needs ../shared/data/weights, which is not part of the project")
    encoder = Encoder.load(f"timm:mobilenetv2_100@{path}?pad_type=same&mean=0.5&std=0.5&crop_fraction=1")
    assert encoder.card.dim == 1280
    assert not encoder.card.has_text


def test_text_for_a_picture_only_encoder_is_refused_in_one_line():
    with pytest.raises(EncoderError, match="'pixels' has no text side") as error:
        Encoder.load("pixels").encode_texts(["a bird"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name, words",
    [
        ("ViT-B-99/openai", "did you mean ViT-B-"),
        ("vit-b-16/openai", "did you mean ViT-B-16"),
        ("bioclip-2", "did you mean hf-hub:imageomics/bioclip-2"),
        ("imageomics/bioclip", "did you mean hf-hub:imageomics/bioclip,"),
        ("ViT-B-16", "needs the name of its weights"),
        ("ViT-B-16/opanai", "has no weights 'opanai'"),
        ("timm:no_such_backbone", "timm has no backbone 'no_such_backbone': .*timm.list_models"),
        ("timm:mobilnetv2_100", "timm has no backbone 'mobilnetv2_100': near names are mobilenetv2_100"),
        ("timm:test_byobnet?wings=2", r"cannot make .*wings.*: mend or leave out what follows '\?'"),
        ("timm:test_byobnet@/nowhere.safetensors?wings=2", r"cannot make .*wings.*: mend or leave out"),
        ("timm:test_resnet@/nowhere.safetensors?output_stride=7", r"cannot make .*output_stride"),
        ("timm:test_byobnet@/nowhere.safetensors", "no weight file /nowhere.safetensors"),
        ("timm:test_byobnet@/nowhere.safetensors?size=big", "size=big is not a number"),
        ("timm:test_byobnet@/nowhere.safetensors?nonsense", "do not parse"),
    ],
)
def test_names_that_mean_nothing_say_what_would(name, words):
    with pytest.raises(EncoderError, match=words):
        Encoder.load(name)


def test_a_folder_that_is_no_checkpoint_says_what_is_missing(tmp_path):
    with pytest.raises(EncoderError, match="holds no open_clip_config.json"):
        Encoder.load(str(tmp_path))
    (tmp_path / "open_clip_config.json").write_text("{")
    with pytest.raises(EncoderError, match="not valid JSON"):
        Encoder.load(str(tmp_path))
    (tmp_path / "open_clip_config.json").write_text('{"model_cfg": {}}')
    with pytest.raises(EncoderError, match="holds no weights"):
        Encoder.load(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"garbage" * 20, bytes(5000)])
@pytest.mark.parametrize("name", ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"])
def test_damaged_weights_are_refused_in_one_line(checkpoint, tmp_path, name, content):
    folder = shutil.copytree(checkpoint, tmp_path / "damaged")
    (folder / "open_clip_model.safetensors").unlink()
    (folder / name).write_bytes(content)
    with pytest.raises(EncoderError, match="cannot load encoder .*damaged") as refused:
        Encoder.load(str(folder))
    assert "\n" not in str(refused.value)


def test_weights_of_another_architecture_are_refused(checkpoint, tmp_path):
    folder = write_checkpoint(tmp_path / "changed", seed=0)
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["vision_cfg"]["width"] = 96
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(EncoderError, match="must fit its open_clip_config.json"):
        Encoder.load(str(folder))


@pytest.mark.parametrize("name", ["hf-hub:imageomics/bioclip-2", "ViT-B-16/openai", "timm:resnet18"])
def test_without_a_network_the_local_alternative_is_named_at_once(name, monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderError, match="out of reach and no copy is cached") as error:
        Encoder.load(name)
    assert "safetensors" in str(error.value)


def test_what_is_cached_is_loaded_without_asking_the_hub(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(weights, "_hub_answers", lambda: pytest.fail("the hub was asked"))
    seen = []
    found = weights.cached_or_fetched("x", lambda: seen.append(huggingface_hub.constants.HF_HUB_OFFLINE) or "made")
    assert (found, seen) == ("made", [True])
    assert not huggingface_hub.constants.HF_HUB_OFFLINE


@pytest.mark.parametrize("answers", [True, False])
def test_what_is_not_cached_is_fetched_only_where_the_hub_answers(monkeypatch, answers):
    import huggingface_hub.constants

    def make():
        offline.append(huggingface_hub.constants.HF_HUB_OFFLINE)
        raise FileNotFoundError("no such file in the repository")

    offline = []
    monkeypatch.setattr(weights, "_hub_answers", lambda: answers)
    words = "no such file in the repository" if answers else "out of reach"
    with pytest.raises(EncoderError, match=f"cannot get the weights of 'hf-hub:x/y' .*{words}"):
        weights.cached_or_fetched("hf-hub:x/y", make)
    assert offline == ([True, False] if answers else [True])
    assert not huggingface_hub.constants.HF_HUB_OFFLINE


def test_a_batch_that_does_not_fit_the_device_names_the_remedy(checkpoint, monkeypatch):
    encoder = Encoder.load(str(checkpoint))

    def too_much(batch):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(encoder._model, "encode_image", too_much)
    blank = np.zeros((3, encoder.transform.size, encoder.transform.size, 3), np.uint8)
    with pytest.raises(EncoderError, match="with 3 pictures a batch: use a smaller batch size"):
        encoder.encode_pixels(blank)
    with pytest.raises(EncoderError, match="out of memory with a single picture: free its memory"):
        encoder.encode_images(pictures())


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_without_a_gpu_is_refused(checkpoint):
    with pytest.raises(EncoderError, match="no CUDA device"):
        Encoder.load(str(checkpoint), device="cuda")
