"""The texts of a step: each string once, its own for each picture, and its tokens."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.embedding.prompts import TEXT_TYPES, prompt, rank_prompt, text_type_of_step
from cladescope.taxonomy.taxon import RANKS, Taxon
from cladescope.training.data import texts
from cladescope.training.data.columns import coded
from cladescope.training.data.texts import Texts, Tokens, chosen_types
from cladescope.training.sections import DataConfig

TAXA = (
    Taxon(("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "Parus major")),
    Taxon(("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "Parus minor")),
    Taxon(("Animalia", "Arthropoda", "Insecta", "Lepidoptera", "Nymphalidae", "Vanessa", "Vanessa atalanta")),
    Taxon(("Animalia", None, "Insecta")),
    Taxon(("Plantae",)),
)
NAMES = ("Great Tit", None, "Red Admiral", "insects", None)


def codes_of(taxa):
    """Code of the full path down to each rank by a plain loop, -1 where the rank is missing."""
    codes = np.full((len(taxa), len(RANKS)), -1)
    for rank in range(len(RANKS)):
        paths = [taxon.path[: rank + 1] for taxon in taxa if len(taxon.path) > rank and taxon.path[rank] is not None]
        known = sorted(set(paths), key=str)
        for row, taxon in enumerate(taxa):
            if len(taxon.path) > rank and taxon.path[rank] is not None:
                codes[row, rank] = known.index(taxon.path[: rank + 1])
    return codes


def plan_texts(taxa, names, codes, **options):
    """The plan of all of these pictures."""
    return Texts(coded(taxa, lambda taxon: taxon.path), coded(names)).plan(np.arange(len(taxa)), codes, **options)


chosen = st.lists(st.tuples(st.integers(0, len(TAXA) - 1), st.sampled_from(TEXT_TYPES)), min_size=1, max_size=12)


@settings(deadline=None, max_examples=40)
@given(chosen)
def test_every_picture_finds_its_own_text_and_every_label_of_its_ranks(drawn):
    taxa = [TAXA[place] for place, _ in drawn]
    names = [NAMES[place] for place, _ in drawn]
    types = [text_type for _, text_type in drawn]
    plan = plan_texts(taxa, names, codes_of(taxa), text_types=types, with_levels=True)
    assert len(set(plan.strings)) == len(plan.strings)
    for taxon, name, text_type, place in zip(taxa, names, types, plan.pairs, strict=True):
        assert plan.strings[place] == prompt(taxon, text_type, common_name=name)
    assert len(plan.levels) == len(RANKS)
    for rank, (labels, own) in enumerate(plan.levels):
        has = [len(taxon.path) > rank and taxon.path[rank] is not None for taxon in taxa]
        assert (own >= 0).tolist() == has
        for taxon, place in zip(taxa, own, strict=True):
            if place >= 0:
                assert plan.strings[labels[place]] == rank_prompt(taxon, RANKS[rank])
        # Every label is somebody's.
        assert set(own[own >= 0].tolist()) == set(range(len(labels)))


def test_a_string_of_several_pictures_is_there_once():
    taxa = [TAXA[0], TAXA[0], TAXA[2]]
    plan = plan_texts(taxa, [None] * 3, codes_of(taxa), text_types=["sci"] * 3)
    assert plan.strings == ("a photo of Parus major.", "a photo of Vanessa atalanta.")
    assert plan.pairs.tolist() == [0, 0, 1]
    assert plan.levels == ()


def test_a_rank_that_no_picture_has_has_no_labels():
    taxa = [TAXA[4], TAXA[4]]
    plan = plan_texts(taxa, [None] * 2, codes_of(taxa), text_types=["taxon"] * 2, with_levels=True)
    assert [len(labels) for labels, _ in plan.levels] == [1, 0, 0, 0, 0, 0, 0]
    assert plan.strings == ("a photo of Plantae.",)


def test_a_label_that_reads_as_a_text_is_the_same_string():
    taxa = [TAXA[4], TAXA[0]]
    plan = plan_texts(taxa, [None] * 2, codes_of(taxa), text_types=["sci"] * 2, with_levels=True)
    labels, own = plan.levels[0]
    assert labels[own[0]] == plan.pairs[0]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(0, 3), st.sampled_from(["step", "sample"]))
def test_types_depend_on_the_place_alone_and_not_on_how_many_share_it(step, epoch, choice):
    config = DataConfig(text_choice=choice, text_types=("sci", "com", "taxon"))
    options = {"seed": 4, "step": step, "epoch": epoch}
    whole = chosen_types(config, positions=range(40, 52), **options)
    assert chosen_types(config, positions=range(40, 52, 2), **options) == whole[::2]
    assert set(whole) <= {"sci", "com", "taxon"}
    if choice == "step":
        assert whole == [text_type_of_step(step, text_types=("sci", "com", "taxon"))] * 12


def test_samples_have_all_types_about_equally_often():
    types = chosen_types(DataConfig(text_choice="sample"), seed=0, step=0, epoch=0, positions=range(5000))
    counts = [types.count(text_type) for text_type in TEXT_TYPES]
    assert min(counts) > 850
    assert max(counts) < 1150


def test_a_string_is_tokenised_once():
    asked = []

    def tokenizer(strings):
        asked.append(list(strings))
        return torch.tensor([[len(string), 0] for string in strings])

    tokens = Tokens(tokenizer)
    assert tokens(["a", "bb", "a"]).tolist() == [[1, 0], [2, 0], [1, 0]]
    assert tokens(["ccc", "bb"]).tolist() == [[3, 0], [2, 0]]
    assert asked == [["a", "bb"], ["ccc"]]


def test_as_many_types_as_pictures_are_expected():
    with pytest.raises(ValueError, match="found 1 text types for 2 pictures"):
        plan_texts(TAXA[:2], NAMES[:2], codes_of(TAXA[:2]), text_types=["sci"])


def test_a_text_is_made_once_for_a_taxon_a_name_and_a_type(monkeypatch):
    made = []
    real = texts.prompt
    monkeypatch.setattr(texts, "prompt", lambda *a, **k: (made.append((a, tuple(k.values()))), real(*a, **k))[1])
    taxa, names = [TAXA[0], TAXA[0], TAXA[1], TAXA[0]], ["tit", "tit", None, None]
    known = Texts(coded(taxa, lambda taxon: taxon.path), coded(names))
    rng = np.random.default_rng(0)
    for _ in range(20):
        rows = rng.integers(0, 4, 6)
        types = [TEXT_TYPES[code] for code in rng.integers(0, len(TEXT_TYPES), 6)]
        plan = known.plan(rows, codes_of([taxa[row] for row in rows]), text_types=types)
        for row, text_type, place in zip(rows, types, plan.pairs, strict=True):
            assert plan.strings[place] == real(taxa[row], text_type, common_name=names[row])
    assert len(made) == len(set(made)) <= 3 * len(TEXT_TYPES)


def test_strings_come_in_the_order_of_the_batch():
    plan = plan_texts(
        [TAXA[2], TAXA[0], TAXA[2], TAXA[1]],
        [None] * 4,
        codes_of([TAXA[2], *TAXA[:2], TAXA[2]]),
        text_types=["sci"] * 4,
    )
    assert [string.split()[-1] for string in plan.strings] == ["atalanta.", "major.", "minor."]
    assert plan.pairs.tolist() == [0, 1, 0, 2]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=5), min_size=1, max_size=6))
def test_tokens_are_those_of_the_tokenizer_whenever_they_were_kept(batches):
    def tokenizer(strings):
        return torch.tensor([[ord(string), 49_407, 0] for string in strings])

    tokens = Tokens(tokenizer)
    for strings in batches:
        found = tokens(strings)
        assert found.dtype == torch.int64
        assert found.equal(tokenizer(strings))
