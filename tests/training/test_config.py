"""Configurations: recipes, what is refused, and what tells one run from another."""

import pytest

from cladescope.errors import InputError
from cladescope.training.config import TrainConfig, differences, load_config, recipes


@pytest.mark.parametrize("name", recipes())
def test_every_recipe_is_a_valid_configuration(name):
    assert isinstance(load_config(name), TrainConfig)


def test_the_recipes_are_those_of_the_paper_and_ours():
    assert {"bioclip", "bioclip2", "inat-only", "tiny"} <= set(recipes())
    texts = {load_config(name).data.text_types for name in recipes() if name.startswith("ablation-text-")}
    assert {types[0] for types in texts if len(types) == 1} == {"sci", "com", "taxon", "sci_com", "taxon_com"}


def test_the_bioclip_recipe_has_the_papers_figures():
    config = load_config("bioclip")
    assert config.objective.terms == {"clip": 1.0}
    assert 8 * config.loop.batch_size == 32_768
    assert (config.optimiser.learning_rate, config.optimiser.weight_decay) == (1e-4, 0.2)
    assert (config.optimiser.beta1, config.optimiser.beta2, config.optimiser.eps) == (0.9, 0.98, 1e-6)
    assert config.augment.scale == (0.9, 1.0)
    assert not config.augment.flip


@pytest.mark.parametrize(
    "text, message",
    [
        ("[loop]\nepoch = 3\n", "unknown key loop.epoch in the configuration: did you mean epochs"),
        ("speed = 3\n", "unknown key speed"),
        ("[loop]\nepochs = 0\n", "loop.epochs is 0: expected a number of at least 1"),
        ("[loop]\nepochs = 'many'\n", "loop.epochs is 'many': expected a whole number"),
        ("[loop]\nepochs = true\n", "loop.epochs is True: expected a whole number"),
        ("[loop]\nprecision = 'int8'\n", "loop.precision holds 'int8': expected one of fp32, bf16, fp16"),
        ("[objective.terms]\nclap = 1.0\n", "objective.terms holds 'clap'"),
        ("[objective.terms]\nclip = -1.0\n", "objective.terms.clip is -1.0: expected a positive weight"),
        ("[data]\ntext_types = []\n", "data.text_types is empty"),
        ("[data]\ntext_types = ['latin']\n", "data.text_types holds 'latin'"),
        ("[model]\nopen_clip = 'a'\ntimm = 'b'\n", "name exactly one of them"),
        ("[model]\ntimm = 'b'\ntext_width = 100\ntext_heads = 3\n", "is no multiple of"),
        ("[objective]\nreplay_batch = 4\n", "belong together"),
        ("[augment]\nscale = [0.1, 0.2, 0.3]\n", "augment.scale is [0.1, 0.2, 0.3]: expected 2 values"),
        ("[model]\ntimm = 'a'\nmean = [0.5]\n", "model.mean is [0.5]: expected 3 values"),
        ("[model]\ntimm = 'a'\nstd = [0.5, 0.5, 0]\n", "expected numbers in [0, 1] and (0, 1]"),
        ("[model]\nopen_clip = 'a'\nstd = [0.2, 0.2, 0.2]\n", "model.std is of a timm backbone; a says its own"),
        ("[model]\nopen_clip = 'a'\nweights = 'b'\n", "or set model.blend to mix them"),
        ("[model]\nopen_clip = 'a'\nblend = 0.5\n", "model.blend is 0.5: it mixes the backbone in model.weights"),
        ("[model]\nopen_clip = 'a'\nweights = 'b'\nblend = 0.5\n", "give both, and freeze_norm = true"),
        ("[model]\ntimm = 'a'\nweights = 'b'\nblend = 0.5\nfreeze_norm = true\n", "model.blend is 0.5"),
        ("[model]\nopen_clip = 'a'\nblend = 1.5\n", "model.blend is 1.5: "),
        (
            "[model]\ntimm = 'a'\nfreeze_norm = true\naveraged_with = ['b']\n",
            "averaged with the encoder in model.open_clip",
        ),
        ("[model]\nopen_clip = 'a'\naveraged_with = ['b']\n", "and freeze_norm = true, because norms are averaged"),
        ("loop = 3\n", "loop is 3: expected"),
        ("[loop\n", "is not valid TOML"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_config(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_names_those_there_are():
    with pytest.raises(InputError, match="no recipe 'bioclap': give a .toml file, or one of .*bioclip"):
        load_config("bioclap")


def test_overrides_take_the_place_of_keys_and_are_checked_like_them():
    assert load_config("tiny", {"loop.epochs": 2, "seed": 5}).loop.epochs == 2
    with pytest.raises(InputError, match="unknown key data.sauce"):
        load_config("tiny", {"data.sauce": "a.csv"})


def test_differences_name_each_key_that_decides_what_is_learnt():
    one, other = (
        load_config("tiny", {"optimiser.learning_rate": rate, "loop.log_every": n})
        for rate, n in ((1e-3, 1), (2e-3, 2))
    )
    assert differences(one.to_dict(), other.to_dict()) == ["optimiser.learning_rate (0.001, now 0.002)"]
    assert differences(one.to_dict(), one.to_dict()) == []
