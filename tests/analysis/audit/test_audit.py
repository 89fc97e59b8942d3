import csv
import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageOps

from cladescope.analysis.audit import outliers
from cladescope.analysis.audit.files import write_audit
from cladescope.analysis.audit.run import audit
from cladescope.analysis.pictures import Pictures
from cladescope.arrays import normalise
from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.records import Record
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import InputError
from cladescope.index import cells, neighbour_graph
from cladescope.index.store import Store
from cladescope.taxonomy import RANKS
from tests.analysis.duplicates.made import photographs
from tests.app.cli.command_line import fails, misused, run  # noqa: F401 - fixtures

DIM = 64
CARD = EncoderCard(name="made-up", dim=DIM, weight_hash=None, transform=None, has_text=False)
KINGDOMS, FAMILIES, SPECIES, EACH = 2, 2, 3, 30


def clade(seed=0):
    """Vectors that inherit from kingdom, family and species, and their lineages."""
    rng = np.random.default_rng(seed)
    vectors, lineages = [], []
    for kingdom in range(KINGDOMS):
        high = rng.standard_normal(DIM) * 2
        for family in range(FAMILIES):
            middle = high + rng.standard_normal(DIM)
            for species in range(SPECIES):
                low = middle + rng.standard_normal(DIM)
                name = f"{kingdom}{family}{species}"
                for _ in range(EACH):
                    vectors.append(low + 0.5 * rng.standard_normal(DIM))
                    names = [f"K{kingdom}", f"P{kingdom}", f"C{kingdom}", f"O{kingdom}", f"F{kingdom}{family}"]
                    lineages.append([*names, f"G{name}", f"G{name} s"])
    return normalise(np.array(vectors, np.float32)), lineages


def pictures_of(vectors, lineages, **columns):
    names = dict(zip(RANKS, zip(*lineages, strict=True), strict=True))
    rows = {
        "image_id": [f"i{i}" for i in range(len(lineages))],
        "uri": [f"/{i}" for i in range(len(lineages))],
        "content_hash": [f"h{i}" for i in range(len(lineages))],
        **{rank: pa.array(column, pa.string()) for rank, column in names.items()},
    }
    return Pictures(vectors, pa.table({**rows, **columns}))


def numbers(table):
    return [int(row["image_id"][1:]) for row in table]


def test_neighbours_are_those_of_a_full_sort():
    vectors, _ = clade()
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    _, found = neighbour_graph.nearest_others(vectors, np.arange(len(vectors)), 5)
    np.testing.assert_array_equal(found, np.argsort(-scores, axis=1, kind="stable")[:, :5])


def test_what_is_found_among_many_is_what_is_found_among_few(monkeypatch):
    vectors, lineages = clade()
    vectors[200] = vectors[5] + 1e-4
    lineages[40] = lineages[300]
    exact = audit(pictures_of(vectors, lineages))
    monkeypatch.setattr(neighbour_graph, "EXACT_PAIRS", 1000)
    monkeypatch.setattr(neighbour_graph, "EXACT_UP_TO", 100)
    found = audit(pictures_of(vectors, lineages))
    assert any("among the nearest cells" in note for note in found.summary["notes"])
    assert [row["image_id"] for row in found.label_errors] == [row["image_id"] for row in exact.label_errors]
    assert (
        {row["image_id"] for row in found.duplicates} == {row["image_id"] for row in exact.duplicates} >= {"i5", "i200"}
    )


def test_a_clean_set_has_no_label_errors_and_hardly_an_outlier():
    vectors, lineages = clade()
    found = audit(pictures_of(vectors, lineages))
    assert found.label_errors == []
    assert found.duplicates == []
    assert len(found.outliers) <= 0.01 * len(vectors)


def test_swapped_labels_come_back_and_those_across_kingdoms_first():
    vectors, lineages = clade()
    rng = np.random.default_rng(1)
    half = len(lineages) // 2
    across = [int(i) for i in rng.choice(half, 6, replace=False)]
    siblings = [int(i) for i in rng.choice(np.arange(half + EACH, half + 2 * EACH), 4, replace=False)]
    true = [list(names) for names in lineages]
    for i in across:
        lineages[i] = true[i + half]
    for i in siblings:
        lineages[i] = true[i - EACH]
    table = audit(pictures_of(vectors, lineages)).label_errors
    assert set(numbers(table)) == set(across) | set(siblings)
    assert [row["part_at"] for row in table] == ["kingdom"] * 6 + ["genus"] * 4
    assert [row["suggested"] for row in table] == [" > ".join(true[i]) for i in numbers(table)]


def test_a_label_that_stops_at_the_genus_is_no_error():
    vectors, lineages = clade()
    for names in lineages[::4]:
        names[6] = None
    for names in lineages[1::5]:
        names[2] = None
    assert audit(pictures_of(vectors, lineages)).label_errors == []


def test_rank_bounds_how_deep_labels_are_doubted():
    vectors, lineages = clade()
    lineages[0] = lineages[EACH]
    assert audit(pictures_of(vectors, lineages), rank="family").label_errors == []
    assert numbers(audit(pictures_of(vectors, lineages), rank="genus").label_errors) == [0]


def test_copies_are_found_and_flagged_where_their_labels_differ():
    vectors, lineages = clade()
    copied = [3, 50, 200]
    noise = np.random.default_rng(2).standard_normal((3, DIM)).astype(np.float32)
    more = normalise(vectors[copied] + 0.002 * noise)
    lineages += [lineages[3], lineages[50], lineages[0]]
    n = len(vectors)
    table = audit(pictures_of(np.concatenate([vectors, more]), lineages)).duplicates
    assert {frozenset(numbers(r for r in table if r["group"] == g)) for g in range(3)} == {
        frozenset({old, n + i}) for i, old in enumerate(copied)
    }
    assert {row["kind"] for row in table} == {"near"}
    assert [row["labels_differ"] for row in table] == [True, True, False, False, False, False]
    assert set(numbers(table[:2])) == {200, n + 2}


def test_one_picture_stored_many_times_is_one_exact_group():
    vectors, lineages = clade()
    vectors[:25] = vectors[0]
    pictures = pictures_of(vectors, lineages, content_hash=["same"] * 25 + [f"h{i}" for i in range(25, len(vectors))])
    table = audit(pictures).duplicates
    assert numbers(table) == list(range(25))
    assert {row["kind"] for row in table} == {"exact"}


def test_a_group_has_one_representative_and_scores_with_it():
    vectors, lineages = clade()
    apart = np.eye(DIM, dtype=np.float32)[:2]
    vectors[[7, 70, 200]] = normalise(apart[0] + np.array([[0.0], [0.25], [0.5]], np.float32) * apart[1])
    table = audit(pictures_of(vectors, lineages), threshold=0.96).duplicates
    (chain,) = [
        group for group in {row["group"] for row in table} if 7 in numbers(r for r in table if r["group"] == group)
    ]
    members = [row for row in table if row["group"] == chain]
    assert [row["is_representative"] for row in members] == [False, True, False]
    np.testing.assert_allclose([row["score"] for row in members], vectors[[7, 70, 200]] @ vectors[70], atol=1e-6)


def test_a_chain_that_leads_beyond_the_threshold_is_counted():
    vectors, lineages = clade()
    angles = np.arange(8)[:, None] * 0.1
    vectors[:8] = np.cos(angles) * np.eye(DIM)[0] + np.sin(angles) * np.eye(DIM)[1]
    found = audit(pictures_of(vectors, lineages), threshold=0.99, only=["duplicates"])
    assert numbers(found.duplicates) == list(range(8))
    assert found.summary["groups_beyond_threshold"] == 1
    assert min(row["score"] for row in found.duplicates) < 0.99


def test_groups_of_one_observation_or_picture_are_told_apart():
    vectors, lineages = clade()
    vectors[1], vectors[31], vectors[61] = vectors[0], vectors[30], vectors[60]
    pictures = pictures_of(vectors, lineages, observation_id=["o", "o"] + [None] * (len(vectors) - 2))
    uris = pictures.table["uri"].to_pylist()
    uris[30:32] = ["/30#box=0,0,9,9", "/30#box=9,9,9,9"]
    table = pictures.table.set_column(pictures.table.schema.get_field_index("uri"), "uri", pa.array(uris))
    found = audit(Pictures(vectors, table))
    assert {row["image_id"]: row["are_kin"] for row in found.duplicates} == {
        "i0": True, "i1": True, "i30": True, "i31": True, "i60": False, "i61": False
    }  # fmt: skip
    assert found.summary["groups_of_kin"] == 2


def test_only_what_is_wanted_is_sought(run, misused, photo_store, tmp_path):  # noqa: F811
    out = ("--out", tmp_path / "out", "--overwrite")
    ended = run("audit", photo_store.path, "--only", "duplicates", "--threshold", "0.5", *out, "--json")
    assert (ended.json["outliers"], ended.json["label_errors"]) == (0, 0)
    assert ended.json["near_duplicate_from"] == 0.5
    assert ended.json["duplicate_groups"] > 0
    with (tmp_path / "out" / "duplicates.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"group", "score", "is_representative", "image_id", "uri"} <= rows[0].keys()
    assert sum(row["is_representative"] == "True" for row in rows) == ended.json["duplicate_groups"]
    ended = run("audit", photo_store.path, "--only", "label_errors", *out, "--json")
    assert (ended.json["label_errors"], ended.json["duplicate_groups"]) == (1, 0)
    assert "near_duplicate_from" not in ended.json
    assert "expected a number from -1 to 1" in misused("audit", photo_store.path, "--threshold", "1.5", *out)
    assert "did you mean duplicates?" in misused("audit", photo_store.path, "--only", "duplicate", *out)
    assert "expected a number from 10 on" in misused("audit", photo_store.path, "--limit", "3", *out)


def test_the_share_of_pairs_found_is_said_where_vectors_lie_in_cells(monkeypatch):
    monkeypatch.setattr(cells, "ONE_CELL_UP_TO", 50)
    vectors, lineages = clade()
    vectors[200] = vectors[5] + 1e-4
    found = audit(pictures_of(vectors, lineages))
    assert found.summary["pairs_found"] == found.summary["pairs_together"] == 1
    assert found.summary["pairs_checked"] == 2
    assert 0.3 < found.summary["pairs_found_interval"][0] < 0.4
    assert any("2 pairs that 360 pictures at random have, 100 % were found" in note for note in found.summary["notes"])


def test_leaks_are_groups_on_both_sides_of_a_split():
    vectors, lineages = clade()
    n = len(vectors)
    vectors[1] = vectors[0]
    vectors[2] = vectors[3]
    side = ["train", "test", "train", "train"] + ["train"] * (n - 4)
    side[9] = "test"
    observed = [None] * 8 + ["o", "o"] + [None] * (n - 10)
    found = audit(pictures_of(vectors, lineages, split=side, observation_id=observed), split="split")
    assert [(row["by"], number) for row, number in zip(found.leaks, numbers(found.leaks), strict=True)] == [
        ("near_duplicate", 0),
        ("near_duplicate", 1),
        ("observation_id", 8),
        ("observation_id", 9),
    ]
    assert found.summary["leaks"] == 2


def test_pictures_that_another_set_holds_are_leaks():
    vectors, lineages = clade()
    pictures = pictures_of(vectors, lineages)
    other = Pictures(vectors[7:8], pa.table({"image_id": ["other"], "uri": ["/other"], "content_hash": ["h7"]}))
    found = audit(pictures, against=other)
    assert [(row["by"], row["side"]) for row in found.leaks] == [
        ("content_hash", "store"),
        ("content_hash", "against"),
        ("near_duplicate", "store"),
        ("near_duplicate", "against"),
    ]


def test_noise_pictures_are_the_farthest_outliers():
    vectors, lineages = clade()
    noisy = [5, 100, 301]
    vectors[noisy] = normalise(np.random.default_rng(3).standard_normal((3, DIM)).astype(np.float32))
    assert set(numbers(audit(pictures_of(vectors, lineages)).outliers)[:3]) == set(noisy)


def test_a_small_taxon_is_compared_within_a_wider_one():
    vectors, lineages = clade()
    codes = pictures_of(vectors, lineages).codes
    few = np.r_[0:4, EACH : 3 * EACH]
    found = outliers.find(vectors[few], codes[few])
    assert {RANKS[rank] for rank in found.compared[:4]} == {"family"}
    assert {RANKS[rank] for rank in found.compared[4:]} == {"species"}


def test_without_labels_duplicates_and_outliers_are_still_found():
    vectors, _ = clade()
    vectors[1] = vectors[0]
    found = audit(pictures_of(vectors, [[None] * 7] * len(vectors)))
    assert numbers(found.duplicates) == [0, 1]
    assert found.label_errors == []
    assert any("no rank has two taxa" in note for note in found.summary["notes"])


@pytest.mark.parametrize("n", [2, 3])
def test_fewer_pictures_than_neighbours_are_audited_and_said(n):
    vectors, lineages = clade()
    found = audit(pictures_of(vectors[:n], lineages[:n]))
    assert found.summary["neighbours"] == n - 1
    assert "fewer" in found.summary["notes"][0]


def test_one_picture_is_too_few():
    vectors, lineages = clade()
    with pytest.raises(InputError, match="found 1 pictures"):
        audit(pictures_of(vectors[:1], lineages[:1]))


@pytest.fixture
def photo_store(tmp_path):
    """Forty pictures, one of them a file that is there, with a swapped label and a column `part`."""
    vectors, lineages = clade()
    Image.new("RGB", (300, 300), "green").save(tmp_path / "here.png")
    kept = np.r_[0:20, 180:200]
    lineages[0] = lineages[180]
    records = [
        Record(
            image_id=f"i{i}",
            uri=str(tmp_path / "here.png") if i == 0 else f"{tmp_path}/gone{i}.png",
            source="s",
            labels=dict(zip(RANKS, lineages[i], strict=True)),
        )
        for i in kept
    ]
    store = Store.create(tmp_path / "s.store", CARD)
    store.write(images_table(records, vectors[kept].astype(np.float16), (), {}), failures_table([]))
    return store


def test_the_verb_writes_tables_and_sheets(run, photo_store, tmp_path):  # noqa: F811
    ended = run("audit", photo_store.path, "--out", tmp_path / "out", "--json")
    assert ended.status == 0
    assert ended.json["label_errors"] == 1
    assert ended.json["label_errors_by_rank"]["kingdom"] == 1
    with (tmp_path / "out" / "label_errors.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["image_id"], row["part_at"]) == ("i0", "kingdom")
    assert row["suggested"].startswith("K0 > ")
    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert document["label_errors"][0]["image_id"] == "i0"
    with Image.open(tmp_path / "out" / "label_errors.png") as sheet:
        assert sheet.height > 224


def test_several_clades_are_audited_together(run, photo_store, tmp_path):  # noqa: F811
    out = ("--out", tmp_path / "out", "--overwrite", "--json")
    one = run("audit", photo_store.path, "--within", "K1", *out).json["pictures"]
    assert run("audit", photo_store.path, "--within", "K1", "--within", "K0", *out).json["pictures"] == 40 > one


def test_missing_pictures_leave_grey_tiles(photo_store, tmp_path):
    found = audit(Pictures.of_store(photo_store))
    gone = {"group": 0, "kind": "near", "labels_differ": False, "image_id": "gone", "uri": "/gone.png", "lineage": ""}
    found.duplicates[:] = [gone]
    write_audit(found, tmp_path / "out")
    with Image.open(tmp_path / "out" / "duplicates.png") as sheet:
        assert (228, 231, 235) in {colour for _, colour in sheet.getcolors(9999)}


def test_a_limit_draws_the_same_pictures_for_a_seed(photo_store):
    def drawn(seed):
        return Pictures.of_store(photo_store, limit=10, seed=seed).table["image_id"].to_pylist()

    assert drawn(1) == drawn(1) != drawn(2)
    assert len(drawn(1)) == 10


def test_wrong_input_is_named(fails, misused, photo_store, tmp_path):  # noqa: F811
    out = ("--out", tmp_path / "out")
    other = Store.create(
        tmp_path / "other.store", EncoderCard(name="else", dim=DIM, weight_hash=None, transform=None, has_text=False)
    )
    assert "no column 'parts'" in fails("audit", photo_store.path, "--split", "parts", *out)
    assert "another encoder" in fails("audit", photo_store.path, "--against", other.path, *out)
    assert "'tribe' is not one of" in misused("audit", photo_store.path, "--rank", "tribe", *out)
    assert "found 0 pictures" in fails("audit", photo_store.path, "--where", "image_id = 'x'", *out)
    (tmp_path / "file").write_text("")
    assert "is a file, expected a folder" in misused("audit", photo_store.path, "--out", tmp_path / "file")


def test_a_split_of_one_value_is_said(run, photo_store, tmp_path):  # noqa: F811
    ended = run("audit", photo_store.path, "--split", "source", "--out", tmp_path / "out")
    assert ended.status == 0
    assert "has 1 values" in ended.err


def test_a_vector_without_direction_is_left_out_and_said(tmp_path):
    vectors, lineages = clade()
    stored = vectors[:40].astype(np.float16)
    stored[4] = 0
    records = [
        Record(image_id=f"i{i}", uri=f"/{i}", source="s", labels=dict(zip(RANKS, lineages[i], strict=True)))
        for i in range(40)
    ]
    store = Store.create(tmp_path / "zero.store", CARD)
    store.write(images_table(records, stored, (), {}), failures_table([]))
    pictures = Pictures.of_store(store)
    assert "i4" not in pictures.table["image_id"].to_pylist()
    assert "1 picture left out" in audit(pictures).summary["notes"][0]


def test_near_duplicates_are_those_of_the_pixels_however_the_vectors_lie(tmp_path):
    paths = photographs(tmp_path, 6)
    ImageOps.mirror(Image.open(paths[4])).save(tmp_path / "turned.jpg")
    uris = [str(path) for path in [*paths, tmp_path / "turned.jpg"]]
    vectors = normalise(np.random.default_rng(0).standard_normal((7, DIM)).astype(np.float32))
    vectors[1] = vectors[0]
    table = pa.table({"image_id": [f"i{row}" for row in range(7)], "uri": uris, "content_hash": uris})
    found = audit(Pictures(vectors, table), only=["duplicates"])
    assert numbers(found.duplicates) == [4, 6]
    assert numbers(audit(Pictures(vectors, table), only=["duplicates"], threshold=0.99).duplicates) == [0, 1]


def test_of_pictures_that_cannot_be_read_the_vectors_decide_and_it_is_said():
    vectors, lineages = clade()
    vectors[200] = vectors[5]
    found = audit(pictures_of(vectors, lineages), only=["duplicates"])
    assert numbers(found.duplicates) == [5, 200]
    assert any("360 pictures could not be looked at again" in note for note in found.summary["notes"])
