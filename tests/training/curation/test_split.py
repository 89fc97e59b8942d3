"""Splits: nothing that stays together is on two sides, the same seed draws alike in every process, and shares are kept."""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.errors import InputError
from cladescope.training.curation import split as splitting
from cladescope.training.curation import units
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.sections import SourceConfig, SplitsConfig
from cladescope.training.curation.split import check_places, check_species, split
from tests.training.curation.tables import put_stages

PARTS = ("train", "val", "test", "test_species")
LINEAGE = dict(
    zip(
        ("kingdom", "phylum", "class", "order", "family"),
        ["Animalia", "Chordata", "Aves", "Order", "Family"],
        strict=True,
    )
)


def configured(sources=("a", "b"), *, seed=17, **values):
    return CurateConfig(
        sources=tuple(SourceConfig(name=name, path=name) for name in sources), seed=seed, splits=SplitsConfig(**values)
    )


def taken(folder, rows, config, *, part_rows=7):
    """The rows of a split as dictionaries, and the job."""
    job = put_stages(
        config, folder, [{"source": "a", "id": f"id{n:04}", **row} for n, row in enumerate(rows)], part_rows=part_rows
    )
    for path in (job.work / "split").iterdir():
        path.unlink()
    split(job)
    return [row for table in job.scan("split") for row in table.to_pylist()], job


def birds(n, n_species):
    return [{**LINEAGE, "genus": f"Genus{k % n_species}", "species": f"Genus{k % n_species} sp"} for k in range(n)]


def components(rows, together):
    """Sets of rows that stay together, found by a walk along the ties."""
    by_key, neighbours = defaultdict(list), defaultdict(set)
    for number, row in enumerate(rows):
        keys = []
        if "observation" in together and row["observation_id"]:
            keys.append(("o", row["source"], row["observation_id"]))
        if "specimen" in together and row["specimen_id"]:
            keys.append(("s", row["source"], row["specimen_id"]))
        if "duplicates" in together:
            keys += [("c", row["cluster"])] * (row["cluster"] is not None)
            keys += [("h", row["content_hash"])] * (row["content_hash"] is not None)
        if "place" in together and row["latitude"] is not None:
            keys.append(("p", int(row["latitude"] // 0.5), int(row["longitude"] // 0.5)))
        if "source" in together:
            keys.append(("q", row["source"]))
        for key in keys:
            by_key[key].append(number)
    for members in by_key.values():
        for one in members:
            neighbours[one].update(members)
    found, seen = [], set()
    for start in range(len(rows)):
        if start in seen:
            continue
        unit, ahead = set(), [start]
        while ahead:
            if (one := ahead.pop()) not in unit:
                unit.add(one)
                ahead += neighbours[one]
        seen |= unit
        found.append(unit)
    return found


word = st.one_of(st.none(), st.sampled_from("abcdefgh"))
row_like = st.fixed_dictionaries(
    {
        "source": st.sampled_from("ab"),
        "observation_id": word,
        "specimen_id": word,
        "content_hash": word,
        "cluster": st.one_of(st.none(), st.integers(0, 30)),
        "latitude": st.one_of(st.none(), st.floats(-2, 2)),
        "species": st.sampled_from([f"Genus{n} sp" for n in range(5)]),
        "dropped": st.sampled_from([None, None, None, "screen: licence", "single: copy"]),
    }
)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(row_like, min_size=4, max_size=40),
    together=st.sets(st.sampled_from(["observation", "specimen", "duplicates", "place"])),
    share=st.sampled_from([0.0, 0.2, 0.45]),
    species=st.sampled_from([0.0, 0.3]),
    held=st.booleans(),
)
def test_nothing_that_stays_together_is_on_two_sides(rows, together, share, species, held):
    rows = [{**LINEAGE, **row, "longitude": row["latitude"], "genus": row["species"].split()[0]} for row in rows]
    config = configured(
        val=share, test=share, species=species, together=tuple(sorted(together)), place_degrees=0.5,
        held_out_sources=("b",) if held else (),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        try:
            found, job = taken(Path(folder) / "out", rows, config, part_rows=25)
        except InputError:
            return  # it says that a share holds out nothing; what it says is tested below
        more = job.manifest("split")["more"]
    alive = [
        row["dropped"] is None or (row["dropped"].startswith("single") and "duplicates" in together) for row in rows
    ]
    numbers = [number for number, one in enumerate(alive) if one]
    for unit in components([rows[number] for number in numbers], together):
        members = [found[numbers[one]] for one in unit if rows[numbers[one]]["dropped"] is None]
        assert len({row["split"] for row in members} - {None}) <= 1
        assert {row["unit"] for row in members} <= {min((row["row"] for row in members), default=None)}
    trained = Counter()
    for row, before in zip(found, rows, strict=True):
        if before["dropped"] is not None:
            assert row["dropped"] == before["dropped"]
            assert row["split"] is None
            assert row["unit"] is None
            assert row["is_train_small"] is None
        elif row["dropped"] is None:
            assert row["split"] in PARTS
            trained[before["species"], row["split"]] += 1
            assert not held or before["source"] != "b" or row["split"] == "test"
        else:
            assert row["dropped"] in ("split: tied to a held-out source", "split: tied to a held-out species")
            assert row["split"] is None
    out = {name for name, part in trained if part == "test_species"}
    assert not out & {name for name, part in trained if part in ("train", "val")}
    assert bool(out) == (species > 0)
    for name in {name for name, part in trained if part == "val"}:
        assert trained[name, "train"], "every species keeps a unit in training"
    assert set(more["overlaps"].values()) == {0}
    for part in PARTS:
        assert more["pictures"][part] == sum(n for (_, one), n in trained.items() if one == part)
        assert more["classes"][part] == len({name for name, one in trained if one == part})


def test_shares_are_those_of_the_pictures_that_are_left(tmp_path):
    found, job = taken(
        tmp_path / "out", birds(2000, 20), configured(val=0.1, test=0.2, species=0.25, train_small=0.1), part_rows=900
    )
    n = Counter(row["split"] for row in found)
    assert n["test_species"] == 500, "5 of 20 species of 100 pictures each"
    assert (n["test"], n["val"], n["train"]) == (300, 150, 1050)
    assert (
        sum(row["is_train_small"] for row in found) == 105 == job.manifest("split")["more"]["pictures"]["train_small"]
    )
    assert all(row["split"] == "train" for row in found if row["is_train_small"])


def test_a_unit_is_held_out_whole_until_the_share_is_reached(tmp_path):
    rows = [{**row, "observation_id": f"o{n // 5}"} for n, row in enumerate(birds(400, 1))]
    found, _ = taken(tmp_path / "out", rows, configured(val=0.1), part_rows=150)
    assert sum(row["split"] == "val" for row in found) == 40
    assert len({(n // 5, row["split"]) for n, row in enumerate(found)}) == 80
    assert {row["unit"] for row in found} == set(range(0, 400, 5))


def test_a_class_with_classes_below_it_is_not_held_out_and_a_missing_rank_makes_no_other(tmp_path):
    full = {**LINEAGE, "genus": "Parus", "species": "Parus major"}
    gap = {**full, "phylum": None}
    genus = {**LINEAGE, "genus": "Parus"}
    other = {**LINEAGE, "genus": "Corvus", "species": "Corvus corax"}
    seen = set()
    for seed in range(12):
        found, _ = taken(tmp_path / str(seed), [full, gap, genus, other], configured(val=0.0, species=0.5, seed=seed))
        seen.add(tuple(row["split"] == "test_species" for row in found))
    assert seen == {(True, True, False, False), (False, False, False, True)}


def test_what_is_tied_to_what_is_held_out_whole_is_dropped_and_counted(tmp_path):
    one, other = birds(2, 2)
    rows = [{**row, "observation_id": "1"} for row in (one, other)] + [one, other] * 3
    found, job = taken(tmp_path / "species", rows, configured(val=0.0, species=0.5))
    (dropped,) = (row for row in found if row["dropped"])
    assert dropped["row"] in (0, 1)
    assert dropped["dropped"] == "split: tied to a held-out species"
    assert job.manifest("split")["counts"]["dropped"] == [["a", "tied to a held-out species", 1]]
    rows = [{**one, "cluster": 0}, {**one, "cluster": 0, "source": "b"}, one, {**one, "source": "b"}]
    found, _ = taken(tmp_path / "source", rows, configured(val=0.0, held_out_sources=("b",)))
    assert [row["split"] for row in found] == [None, "test", "train", "test"]
    assert found[0]["dropped"] == "split: tied to a held-out source"


def test_pictures_that_are_added_move_few_others(tmp_path):
    rows = birds(1000, 10)
    config = configured(val=0.1, test=0.1, train_small=0.1)
    before, _ = taken(tmp_path / "before", rows, config, part_rows=300)
    after, _ = taken(tmp_path / "after", [*rows, *birds(20, 10)], config, part_rows=300)
    moved = sum(one["split"] != other["split"] for one, other in zip(before, after, strict=False))
    assert sum(one["split"] != "train" for one in before) > 0
    assert moved <= 20
    other, _ = taken(tmp_path / "seed", rows, configured(val=0.1, test=0.1, seed=18), part_rows=300)
    assert sum(one["split"] != two["split"] for one, two in zip(before, other, strict=True)) > 200


@pytest.mark.parametrize(
    "n, values, said",
    [
        (40, {"species": 0.01}, "splits.species is 0.01, and would hold out nothing of 4 species: give one from 0.25 on"),
        (4, {"species": 0.9}, "would hold out everything of 4 species"),
        (4, {"val": 0.2}, "splits.val is 0.2, and would hold out nothing of 4 pictures, since every species keeps a unit"),
        (4, {"test": 0.2, "val": 0.0}, "splits.test is 0.2, and would hold out nothing of 4 pictures"),
        (4, {"val": 0.0, "train_small": 0.1}, "splits.train_small is 0.1, and would hold nothing of 4 pictures: give one from 0.25 on"),
        (4, {"val": 0.0, "held_out_sources": ("b",)}, "splits.held_out_sources names b, of which no picture is left"),
        (4, {"val": 0.0, "held_out_sources": ("a",)}, "of 4 pictures none would be left to train on"),
    ],
)  # fmt: skip
def test_a_share_that_holds_out_nothing_is_refused(tmp_path, n, values, said):
    with pytest.raises(InputError, match=said):
        taken(tmp_path / "out", birds(n, 4), configured(**values))


def test_a_tie_that_is_lost_is_found_by_the_check(tmp_path, monkeypatch):
    rows = [{**row, "observation_id": f"o{n // 2}"} for n, row in enumerate(birds(100, 1))]

    def lost(ties, n):
        return np.arange(n)

    monkeypatch.setattr(units, "units_of", lost)
    with pytest.raises(InputError, match=r"the splits share what must stay on one side \(observation \d+\)"):
        taken(tmp_path / "out", rows, configured(val=0.3))
    assert not list((tmp_path / "out" / "work" / "split").glob("part-*"))


def test_a_share_that_is_missed_by_much_is_said(tmp_path, caplog):
    _, job = taken(tmp_path / "out", birds(40, 20), configured(val=0.6, test=0.2))
    assert job.manifest("split")["more"]["shares"] == {
        "test": {"asked": 0.2, "got": 0.2},
        "val": {"asked": 0.6, "got": 0.3},
    }
    (line,) = [line for line in caplog.messages if "holds" in line]
    assert line.startswith("val holds 30.0% of the pictures beside held-out species and sources, not 60.0%")


def test_places_that_no_record_says_are_known_before_any_is_opened(tmp_path):
    rows = [{"source": "a", "id": f"id{n}", **row, "latitude": 1.0} for n, row in enumerate(birds(4, 2))]
    with pytest.raises(InputError, match="names place, and no record says where it was taken: give columns latitude"):
        check_places(put_stages(configured(together=("place",)), tmp_path / "out", rows))
    check_places(put_stages(configured(), tmp_path / "no", rows))
    rows[-1]["longitude"] = 3.0
    check_places(put_stages(configured(together=("place",)), tmp_path / "one", rows))


def test_a_share_of_species_that_holds_out_none_is_known_by_the_names(tmp_path):
    rows = [*birds(8, 4), {**LINEAGE, "genus": "Genus9", "species": "Genus9 sp", "dropped": "names: x"}, {}]
    rows = [{"source": "a", "id": f"id{n}", **row} for n, row in enumerate(rows)]
    job = put_stages(configured(species=0.11), tmp_path / "out", rows)
    with pytest.raises(
        InputError, match="would hold out nothing of 4 species: give one from 0.25 on, or splits.species = 0"
    ):
        check_species(job)
    for share in (0.0, 0.25):
        check_species(put_stages(configured(species=share), tmp_path / str(share), rows))


def test_species_that_are_trained_on_too_are_found_by_the_check(tmp_path, monkeypatch):
    drawn = splitting._drawn

    def leaky(*given):
        part, shares = drawn(*given)
        part[np.flatnonzero(part == 3)[0]] = 0
        return part, shares

    monkeypatch.setattr(splitting, "_drawn", leaky)
    with pytest.raises(InputError, match=r"\(species 1\)"):
        taken(tmp_path / "out", birds(100, 4), configured(val=0.0, species=0.25))


PROGRAM = """
import json, random, sys
from pathlib import Path
from tests.training.curation.test_split import birds, configured, taken
first = sys.argv[2].split(",")
rows = []
for source in first:
    for n, row in enumerate(birds(150, 6)):
        rows.append({**row, "source": source, "id": f"{source}{n:03}", "observation_id": f"o{n // 2}"})
found, job = taken(Path(sys.argv[1]), rows, configured(first, val=0.1, test=0.1, species=0.2, train_small=0.2))
print(json.dumps(sorted([rows[row["row"]]["id"], row["split"], row["is_train_small"], row["dropped"]] for row in found)))
"""


def test_another_process_and_another_order_of_sources_draw_alike(tmp_path):
    told = []
    for seed, order in (("1", "a,b"), ("2", "b,a")):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path / seed), order],
            capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path.cwd())},
        )  # fmt: skip
        told.append(json.loads(done.stdout))
    assert told[0] == told[1]
    assert {one[1] for one in told[0]} >= {"train", "val", "test", "test_species"}


def test_a_job_that_was_cut_short_ends_with_the_same_bytes(tmp_path):
    config = configured(val=0.1)
    _, whole = taken(tmp_path / "whole", birds(50, 5), config)
    _, job = taken(tmp_path / "cut", birds(50, 5), config)
    for path in (job.work / "split" / "manifest.json", job.path("split", 3)):
        path.unlink()
    split(job)
    assert job.manifest("split") == whole.manifest("split")


def test_where_all_was_dropped_it_is_said_by_whom(tmp_path):
    rows = [
        {**row, "dropped": f"look: {why}"} for row, why in zip(birds(3, 1), ("blank", "blurred", "blank"), strict=True)
    ]
    with pytest.raises(InputError, match=r"all records were dropped \(look: blank 2, look: blurred 1\)"):
        taken(tmp_path, rows, configured())
