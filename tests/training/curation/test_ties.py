"""Ties: what keeps pictures on one side of a split."""

import pytest

from tests.training.curation.test_split import LINEAGE, birds, configured, taken


def test_places_observations_and_specimens_of_other_sources_are_others(tmp_path):
    rows = [
        {"observation_id": "1", "latitude": 0.001, "longitude": 179.999},
        {"observation_id": "1", "source": "b", "latitude": -0.001, "longitude": 179.999},
        {"observation_id": "2", "latitude": 0.009, "longitude": 179.991},
        {"observation_id": "3", "latitude": 0.009, "longitude": None},
        {"specimen_id": "1", "latitude": float("nan"), "longitude": 1.0},
        {"specimen_id": "1", "source": "b", "latitude": float("nan"), "longitude": 1.0},
    ]
    rows = [{**row, **LINEAGE} for row in rows]
    found, _ = taken(tmp_path / "out", rows, configured(val=0.0, together=("observation", "specimen", "place")))
    assert [row["unit"] for row in found] == [0, 1, 0, 3, 4, 5]
    found, _ = taken(tmp_path / "source", rows, configured(val=0.0, together=("source",)))
    assert [row["unit"] for row in found] == [0, 1, 0, 0, 0, 1]


@pytest.mark.parametrize("together", [(), ("observation", "duplicates")])
def test_boxes_of_one_picture_are_never_on_two_sides(tmp_path, together):
    rows = [
        {**row, "uri": f"/photos/{n // 3}.jpg#box={40 * (n % 3)},0,50.5,1e2", "content_hash": f"{n:032}"}
        for n, row in enumerate(birds(120, 1))
    ]
    rows += [{**LINEAGE, "uri": f"/whole/{n % 2}.jpg", "content_hash": f"w{n:031}"} for n in range(4)]
    rows.append({**LINEAGE, "uri": "/photos/7.jpg", "content_hash": "7" * 32})
    found, job = taken(tmp_path / "out", rows, configured(val=0.3, together=together))
    sides = [{row["split"] for row in found[n : n + 3]} for n in range(0, 120, 3)]
    assert {frozenset(one) for one in sides} == {frozenset({"train"}), frozenset({"val"})}
    assert len({row["unit"] for row in found[:120]}) == 40
    assert len({row["unit"] for row in found[120:124]}) == 4, "whole pictures of one address are tied by nothing"
    assert found[124]["unit"] == found[21]["unit"], "a picture stays with its boxes"
    assert job.manifest("split")["more"]["overlaps"]["picture of boxes"] == 0


def test_what_is_no_place_ties_nothing_and_is_counted(tmp_path):
    places = [
        (0.0, 0.0),
        (0.0, 0.0),
        (999.0, 999.0),
        (999.0, 999.0),
        (-91.0, 8.0),
        (-91.0, 8.0),
        (None, 8.0),
        (52.0, 13.0),
        (52.0, 13.0),
        (0.0, 13.0),
        (0.0, 13.0),
    ]
    rows = [{"latitude": north, "longitude": east, **LINEAGE} for north, east in places]
    found, job = taken(tmp_path / "out", rows, configured(val=0.0, together=("place",)))
    assert [row["unit"] for row in found] == [0, 1, 2, 3, 4, 5, 6, 7, 7, 9, 9]
    assert job.manifest("split")["more"]["pictures that no place ties"] == {
        "not said": 1,
        "off the globe": 4,
        "0, 0": 2,
    }


def test_a_copy_that_was_dropped_ties_its_observation_to_what_was_kept(tmp_path):
    rows = [
        {"observation_id": "1", "cluster": 0},
        {"observation_id": "2", "cluster": 0, "dropped": "single: same photograph"},
        {"observation_id": "2", "cluster": 2},
        {"observation_id": "3", "cluster": 3},
    ]
    rows = [{**row, **LINEAGE} for row in rows]
    found, _ = taken(tmp_path / "out", rows, configured(val=0.0))
    assert [row["unit"] for row in found] == [0, None, 0, 3]
    found, _ = taken(tmp_path / "untied", rows, configured(val=0.0, together=("observation",)))
    assert [row["unit"] for row in found] == [0, None, 2, 3]


@pytest.mark.parametrize(
    "name, tied",
    [
        ("7", False),
        ("https://a.org/observations/7", True),
        ("3F2504E0-4F89-41D3-9A0C-0305E82C3301", True),
        ("urn:catalog:a:7", True),
    ],
)
@pytest.mark.parametrize("kind", ["observation", "specimen"])
def test_an_id_that_is_an_address_is_one_in_all_sources(tmp_path, name, tied, kind):
    rows = [{**row, "source": "ab"[n % 2]} for n, row in enumerate(birds(40, 1))]
    rows[0][f"{kind}_id"] = rows[1][f"{kind}_id"] = name
    found, _ = taken(tmp_path / "out", rows, configured(val=0.5, together=(kind,)))
    assert (found[0]["unit"] == found[1]["unit"]) == tied
    assert len({row["unit"] for row in found}) == 40 - tied


def test_a_sequence_of_a_camera_stays_together_as_an_observation_does(tmp_path):
    rows = [{**row, "observation_id": f"o{n}", "sequence_id": f"D1/{n // 4}"} for n, row in enumerate(birds(40, 1))]
    found, _ = taken(tmp_path / "out", rows, configured(val=0.5, together=("observation",)))
    assert len({row["unit"] for row in found}) == 10
    assert all(len({row["split"] for row in found[n : n + 4]}) == 1 for n in range(0, 40, 4))
