"""Held-out parts: by species, by picture, by observation and by content; nothing of them is trained on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.errors import InputError
from cladescope.taxonomy import Taxon
from cladescope.training.data.apart import check_apart, content_hashes
from cladescope.training.data.examples import load_examples
from cladescope.training.data.exclusion import exclude_taxa, read_path
from cladescope.training.data.splits import SplitConfig, split
from tests.embedding.reading import put
from tests.training.data.test_examples import listed

GENERA = [Taxon(("Animalia", "Chordata", "Aves", None, None, name)) for name in "PQRSTUVWXY"]
BIRD = Taxon(("Animalia", "Chordata", "Aves", "Passeriformes", "Muscicapidae", "Oenanthe"))
PLANT = Taxon(("Plantae", "Tracheophyta", "Magnoliopsida", "Apiales", "Apiaceae", "Oenanthe"))
TIT = Taxon(("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "Parus major"))

quick = settings(max_examples=60, deadline=None)
rows = st.tuples(
    st.sampled_from(GENERA), st.sampled_from([None, "g1", "g2", "g3", "g4"]), st.sampled_from([None, *"hijkl"])
)


def parts_of(examples, made):
    return {
        name: {examples.image_ids[row] for row in getattr(made, name)}
        for name in ("train", "held_out_images", "held_out_species", "left_out")
    }


@quick
@given(
    st.lists(rows, min_size=2, max_size=40),
    st.sampled_from([0.0, 0.2, 0.5]),
    st.sampled_from([0.0, 0.2, 0.7]),
    st.sampled_from(["image", "group"]),
    st.booleans(),
    st.integers(0, 3),
)
def test_parts_cover_all_examples_and_share_nothing(drawn, species, images, group_by, hashed, seed):
    taxa, groups, contents = (list(column) for column in zip(*drawn, strict=True))
    examples = listed(taxa, groups=groups)
    config = SplitConfig(species=species, images=images, group_by=group_by, seed=seed)
    try:
        made = split(examples, config, contents=contents if hashed else None)
    except InputError:
        return
    parts = [made.train, made.held_out_images, made.held_out_species, made.left_out]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(examples)))
    assert all((np.diff(part) > 0).all() for part in parts)

    def of(part, column):
        return {column[row] for row in part} - {None}

    assert not of(made.train, taxa) & of(made.held_out_species, taxa)
    assert of(made.held_out_species, taxa) == set(made.held_out_taxa)
    assert of(made.held_out_images, taxa) <= of(made.train, taxa)
    for part in (made.held_out_images, made.held_out_species):
        if group_by == "group":
            assert not of(made.train, groups) & of(part, groups)
        if hashed:
            assert not of(made.train, contents) & of(part, contents)
    if species:
        assert len(made.held_out_species)
    if images:
        assert len(made.held_out_images)
    if group_by == "image" and not hashed:
        assert not len(made.left_out)
        n_others = len(examples) - len(made.held_out_species)
        n_spare = n_others - len(of([*made.train, *made.held_out_images], taxa))
        assert len(made.held_out_images) == min(np.ceil(images * n_others - 1e-9), n_spare)


@quick
@given(st.lists(rows, min_size=4, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(drawn, random):
    examples = listed([row[0] for row in drawn], groups=[row[1] for row in drawn])
    contents = [row[2] for row in drawn]
    config = SplitConfig(species=0.3, images=0.3)
    try:
        made = split(examples, config, contents=contents)
    except InputError:
        return
    order = list(range(len(drawn)))
    random.shuffle(order)
    shuffled = examples.take(order)
    again = split(shuffled, config, contents=[contents[row] for row in order])
    assert parts_of(shuffled, again) == parts_of(examples, made)
    assert again.held_out_taxa == made.held_out_taxa


def test_another_process_with_another_hash_seed_makes_the_same_split(clades: Path):
    code = (
        "import sys, json; from cladescope.training.data.examples import load_examples; "
        "from cladescope.training.data.splits import SplitConfig, split; "
        "made = split(load_examples(sys.argv[1]), SplitConfig(species=0.25, images=0.25, seed=3)); "
        "print(json.dumps([made.train.tolist(), made.report()]))"
    )
    made = split(load_examples(clades / "metadata.csv"), SplitConfig(species=0.25, images=0.25, seed=3))
    expected = json.dumps([made.train.tolist(), made.report()])
    for hash_seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code, str(clades / "metadata.csv")],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        assert run.stdout.strip() == expected


@pytest.mark.parametrize("with_ids", [False, True])
def test_the_same_pictures_in_two_folders_have_the_same_split(tmp_path: Path, with_ids: bool):
    made = []
    for folder in (tmp_path / "here", tmp_path / "a" / "long way" / "from.here"):
        lines = ["image_id,file,genus" if with_ids else "file,genus"]
        for number in range(60):
            name = f"{'b' if number % 7 else 'B'}/{(number * 37) % 60}.jpg"
            put(folder / name, b"picture %d" % number)
            lines.append(f"{f'id-{number},' if with_ids else ''}{name},Genus{number % 12}")
        (folder / "m.csv").write_text("\n".join(lines))
        examples = load_examples(folder / "m.csv")
        config = SplitConfig(species=0.25, images=0.25, seed=4)
        parts = split(examples, config, contents=content_hashes(examples))
        made.append(
            [
                {Path(examples.uris[row]).relative_to(folder) for row in rows}
                for rows in (parts.train, parts.held_out_images, parts.held_out_species)
            ]
        )
    assert made[0] == made[1]
    assert all(made[0])


def test_seeds_give_different_splits():
    examples = listed(GENERA * 5)
    held_out = {
        tuple(split(examples, SplitConfig(species=0.3, images=0.2, seed=seed)).train.tolist()) for seed in range(5)
    }
    assert len(held_out) == 5


def test_a_report_names_what_is_held_out_and_is_json(clades: Path):
    made = split(load_examples(clades / "metadata.csv"), SplitConfig(species=0.25, images=0.25))
    report = json.loads(json.dumps(made.report()))
    assert (report["n_train"], report["n_held_out_images"], report["n_held_out_species"]) == (27, 9, 12)
    assert report["held_out_taxa"] == [str(taxon) for taxon in made.held_out_taxa]
    assert len(made.held_out_taxa) == 3
    assert report["overlaps"] == {"taxon": 0, "image_id": 0, "uri": 0, "group": 0}


def test_without_shares_all_is_trained_on():
    made = split(listed(GENERA), SplitConfig())
    assert len(made.train) == 10
    assert made.held_out_taxa == ()


def test_a_share_that_would_hold_out_nothing_or_everything_is_refused():
    examples = listed(GENERA * 2)
    with pytest.raises(InputError, match="a share of 0.01 of 10 species would hold out nothing: give one from 0.1"):
        split(examples, SplitConfig(species=0.01))
    with pytest.raises(InputError, match="would hold out everything"):
        split(examples, SplitConfig(species=0.99))
    with pytest.raises(InputError, match="of 10 pictures would hold out nothing, since every class keeps"):
        split(listed(GENERA), SplitConfig(images=0.5))
    with pytest.raises(InputError, match="none would be left to train on"):
        split(listed(GENERA[:2], groups=["g", "g"]), SplitConfig(species=0.5))


def test_homonyms_are_two_species_and_one_path_with_a_gap_is_one():
    gap = Taxon((*BIRD.path[:3], None, *BIRD.path[4:]))
    examples = listed([BIRD, PLANT, gap])
    for seed in range(6):
        held_out = set(split(examples, SplitConfig(species=0.5, seed=seed)).held_out_taxa)
        assert held_out in ({BIRD, gap}, {PLANT})


def test_a_class_with_classes_below_it_is_never_held_out():
    genus = Taxon(TIT.path[:-1])
    examples = listed([genus, TIT, PLANT])
    drawn = {split(examples, SplitConfig(species=0.5, seed=seed)).held_out_taxa for seed in range(12)}
    assert drawn == {(TIT,), (PLANT,)}


def test_an_observation_stays_on_one_side_unless_pictures_count_one_by_one():
    examples = listed([BIRD] * 40, groups=[f"g{row // 4}" for row in range(40)])
    made = split(examples, SplitConfig(images=0.25))
    sides = [{examples.groups[row] for row in part} for part in (made.train, made.held_out_images)]
    assert not sides[0] & sides[1]
    assert len(made.held_out_images) == 12
    alone = split(examples, SplitConfig(images=0.25, group_by="image"))
    sides = [{examples.groups[row] for row in part} for part in (alone.train, alone.held_out_images)]
    assert sides[0] & sides[1]
    assert len(alone.held_out_images) == 10


def test_one_file_under_two_ids_and_taxa_is_left_out_beside_a_held_out_species():
    examples = listed([BIRD, BIRD, PLANT, PLANT, TIT, TIT])
    contents = ["same", "b", "same", "d", "e", "f"]
    for seed in range(8):
        made = split(examples, SplitConfig(species=0.34, seed=seed), contents=contents)
        expected = {BIRD: [2], PLANT: [0], TIT: []}[made.held_out_taxa[0]]
        assert made.left_out.tolist() == expected
        assert made.overlaps["content"] == 0


def test_one_file_that_is_listed_under_two_ids_stays_on_one_side():
    examples = listed([BIRD] * 6)
    examples.uris[:] = ["/a.jpg", "/a.jpg", "/a.jpg", "/b.jpg", "/b.jpg", "/b.jpg"]
    for seed in range(4):
        made = split(examples, SplitConfig(images=0.1, group_by="image", seed=seed))
        assert made.held_out_images.tolist() in ([0, 1, 2], [3, 4, 5])


def test_contents_tie_chains_of_observations_together():
    groups = ["a", "a", "b", "b", "c", "c", "d", "e"]
    contents = ["1", "2", "2", "3", "3", "4", "5", "6"]
    examples = listed([BIRD] * 8, groups=groups)
    for seed in range(6):
        made = split(examples, SplitConfig(images=0.2, seed=seed), contents=contents)
        held_out = set(made.held_out_images.tolist())
        assert held_out & set(range(6)) in (set(), set(range(6)))


def test_content_hashes_are_the_same_for_one_file_twice_and_none_for_a_missing_one(tmp_path: Path):
    for name, content in {"a": b"tit", "b": b"tit", "c": b"crow"}.items():
        put(tmp_path / f"{name}.jpg", content)
    (tmp_path / "m.csv").write_text("file,genus\na.jpg,Parus\nb.jpg,Parus\nc.jpg,Corvus\nd.jpg,Corvus\n")
    examples = load_examples(tmp_path / "m.csv")
    first, second, third, missing = content_hashes(examples)
    assert first == second != third
    assert missing is None
    with pytest.raises(InputError, match="training shares 1 pictures' contents with a held-out part"):
        check_apart(examples.take([0]), examples.take([1]), by=["content"])
    check_apart(examples.take([0]), examples.take([2, 3]), by=["content"])


def test_content_hashes_are_those_of_a_store(store):
    (batch,) = store.scan(["image_id", "content_hash"])
    stored = dict(zip(*(batch.column(name).to_pylist() for name in ("image_id", "content_hash")), strict=True))
    examples = load_examples(store.path)
    assert dict(zip(examples.image_ids, content_hashes(examples), strict=True)) == stored


@pytest.mark.parametrize(
    "train, held_out, message",
    [
        ({"taxa": [BIRD], "ids": ["a"]}, {"taxa": [BIRD], "ids": ["b"]}, "shares 1 taxa .*Oenanthe"),
        ({"taxa": [BIRD], "ids": ["a"]}, {"taxa": [PLANT], "ids": ["a"]}, r"shares 1 image ids .*\(a\)"),
        (
            {"taxa": [BIRD], "ids": ["a"], "groups": ["g"]},
            {"taxa": [PLANT], "ids": ["b"], "groups": ["g"]},
            "shares 1 observations",
        ),
    ],
)
def test_what_training_shares_with_a_held_out_part_is_an_error(train, held_out, message):
    with pytest.raises(InputError, match=message):
        check_apart(listed(**train), listed(**held_out))


def test_a_kind_to_compare_by_that_is_none_is_refused():
    with pytest.raises(InputError, match="found 'species' to compare by: expected some of taxon"):
        check_apart(listed([BIRD]), listed([PLANT]), by=["species"])


def test_homonyms_and_pictures_without_observation_share_nothing():
    check_apart(listed([BIRD], ids=["a"]), listed([PLANT], ids=["b"]))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"species": 1.0}, "species is 1.0"),
        ({"images": -0.1}, "images is -0.1"),
        ({"group_by": "genus"}, "group_by is 'genus'"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        SplitConfig(**options)


def test_contents_of_another_number_are_refused():
    with pytest.raises(InputError, match="2 content hashes for 10 pictures"):
        split(listed(GENERA), SplitConfig(), contents=["a", "b"])


# Exclusion


@pytest.mark.parametrize(
    "named",
    [
        TIT,
        "Animalia-Chordata-Aves-Passeriformes-Paridae-Parus-major",
        "animalia > chordata > aves > passeriformes > paridae > parus > Parus major",
        "Animalia > > Aves > Passeriformes > Paridae > Parus > major",
        Taxon((None, None, None, None, None, None, "Parus major")),
    ],
)
def test_an_excluded_species_is_met_however_its_path_is_written(named):
    shorter = Taxon((*TIT.path[:4], None, *TIT.path[5:]))
    exclusion = exclude_taxa(listed([TIT, BIRD, shorter, PLANT]), [named])
    assert exclusion.kept.tolist() == [1, 3]
    assert exclusion.excluded.tolist() == [0, 2]
    assert list(exclusion.n_images.values()) == [2]


def test_an_excluded_clade_takes_all_below_it_and_leaves_homonyms():
    exclusion = exclude_taxa(listed([TIT, BIRD, PLANT]), ["Animalia > Chordata > Aves"])
    assert exclusion.kept.tolist() == [2]
    assert exclude_taxa(listed([TIT, BIRD, PLANT]), [PLANT]).kept.tolist() == [0, 1]


def test_a_list_that_excludes_nothing_is_refused_with_the_nearest_names():
    typo = "Animalia-Chordata-Aves-Passeriformes-Paridae-Parus-mayor"
    with pytest.raises(
        InputError, match="none of the 1 taxa to exclude .*nearest to .*Parus mayor: .*Parus > Parus major"
    ):
        exclude_taxa(listed([TIT, BIRD, PLANT]), [typo])
    with pytest.raises(InputError, match="none of the 1 taxa"):
        exclude_taxa(listed([PLANT, TIT]), [BIRD])
    with pytest.raises(InputError, match="the list of taxa to exclude is empty"):
        exclude_taxa(listed([TIT]), [])


def test_taxa_of_the_list_that_are_not_there_are_told(caplog: pytest.LogCaptureFixture):
    exclusion = exclude_taxa(listed([TIT, PLANT]), [TIT, BIRD])
    assert exclusion.n_images == {TIT: 1, BIRD: 0}
    assert exclusion.missing == (BIRD,)
    assert "1 of 2 taxa to exclude met no picture" in caplog.text


@pytest.mark.parametrize("text", ["Animalia-Chordata-Aves", "a > b > c > d > e > f > g > h", "", " > "])
def test_a_text_that_is_no_path_is_refused(text):
    with pytest.raises(InputError, match="path"):
        read_path(text)


def test_the_keys_of_rare_species_are_read_as_full_paths():
    taxon = read_path("Animalia-Mollusca-Gastropoda-Stylommatophora-Achatinellidae-Partulina-tuberculata")
    assert taxon.path[-2:] == ("Partulina", "Partulina tuberculata")


@quick
@given(
    st.lists(rows, min_size=6, max_size=40),
    st.sampled_from([0.0, 0.2]),
    st.sampled_from([0.2, 0.5]),
    st.sampled_from([0.2, 0.5]),
    st.booleans(),
)
def test_what_is_tested_shares_nothing_with_what_is_trained_on_or_chosen_by(drawn, species, images, tested, hashed):
    taxa, groups, contents = (list(column) for column in zip(*drawn, strict=True))
    examples = listed(taxa, groups=groups)
    try:
        made = split(
            examples, SplitConfig(species=species, images=images, tested=tested), contents=contents if hashed else None
        )
    except InputError:
        return
    parts = (made.train, made.held_out_images, made.held_out_species, made.tested, made.left_out)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(examples)))
    assert len(made.tested)
    assert {taxa[row] for row in made.tested} <= {taxa[row] for row in made.train}
    for column in (groups, contents) if hashed else (groups,):
        own = {column[row] for row in made.tested} - {None}
        assert not own & {column[row] for part in parts[:3] for row in part}


def test_a_part_to_test_on_leaves_the_draw_of_species_as_it_was():
    examples = listed([GENERA[place % 10] for place in range(60)])
    without, having = (split(examples, SplitConfig(species=0.3, images=0.2, tested=share)) for share in (0.0, 0.2))
    assert without.held_out_taxa == having.held_out_taxa
    assert len(without.tested) == 0
    assert len(having.tested) == 9
    assert having.report()["n_tested"] == 9
