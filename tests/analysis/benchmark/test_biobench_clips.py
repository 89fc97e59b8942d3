"""biobench's tasks of clips, KABR and MammalNet, read as it reads them and scored as scikit-learn scores them."""

import warnings
from functools import partial

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize

from cladescope.analysis.benchmark import linear_probe
from cladescope.analysis.benchmark.evaluate import evaluate
from cladescope.analysis.benchmark.logistic_search import searched_answers
from cladescope.analysis.benchmark.open_task import open_task
from cladescope.analysis.benchmark.questions import Clips, of_rows
from cladescope.analysis.benchmark.stores import store_path, stored_vectors
from cladescope.analysis.benchmark.whole_clips import pooled_clips
from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError
from cladescope.index.store import Store
from tests.analysis.benchmark import field_layouts

HEAD = ["original_vido_id", "video_id", "frame_id", "path", "labels"]


def read(protocol, path):
    return open_task(path, protocol=protocol)[0]


def by_clip(report, n_frames, out):
    """Of each whole clip the largest values of its frames, its class, and whether it is asked."""
    task = report.evaluations[0].task
    store = Store.open(store_path(out / "stores", task, Encoder.load("pixels").card))
    vectors = stored_vectors(store, task.image_ids)
    clips = [slice(start, start + n_frames) for start in range(0, len(task), n_frames)]
    pooled = np.array([vectors[clip].max(axis=0) for clip in clips])
    return pooled, np.array([task.labels[clip.start] for clip in clips]), task.is_test[::n_frames]


def long_clips(root, lengths, label):
    rows = [
        [f"G{video}", video, frame, f"G{video}/{frame}.jpg", label(video, frame)]
        for video, n in enumerate(lengths, 1)
        for frame in range(1, n + 1)
    ]
    field_layouts.write_spaced(root / "annotation", {"train": [HEAD, *rows], "val": [HEAD, *rows]})
    return root


def test_of_a_clip_of_kabr_sixteen_frames_are_taken_as_biobench_takes_them(tmp_path):
    lengths = (90, 16, 77, 15, 31, 76, 40)
    task = read("kabr", long_clips(tmp_path / "KABR", lengths, lambda video, _: video % 2))
    rng, wanted = np.random.default_rng(42), []
    for video, n in enumerate(lengths, 1):
        if n < 16:
            continue
        every = 5
        while n < 15 * every + 1:
            every -= 1
        start = rng.integers(0, n - 15 * every)
        wanted += [f"G{video}/{start + 1 + every * step}.jpg" for step in range(16)]
    uris = [uri.removeprefix(f"{tmp_path}/KABR/") for uri in task.table["uri"].to_pylist()]
    assert uris == wanted + wanted, "each part begins anew with the seed"
    assert task.is_test.tolist() == [False] * 96 + [True] * 96
    assert task.left_out == (
        "1 clips of train.csv have fewer than 16 frames",
        "1 clips of val.csv have fewer than 16 frames",
    )
    assert task.question.names[:3] == ("G1", "G2", "G3")


def test_a_clip_of_kabr_is_what_most_of_its_frames_are_and_of_equally_many_the_smaller(tmp_path):
    labels = {1: lambda frame: 0 if frame < 6 else 7, 2: lambda frame: 5 if frame < 9 else 1}
    root = long_clips(tmp_path / "KABR", (16, 16), lambda video, frame: labels[video](frame))
    (root / "annotation/classes.json").write_text('{"Occluded": 7, "Walk": 0}')
    task = read("kabr", root)
    assert [one.label for one in task.classes] == ["Occluded", "1"]
    assert task.question.n_classes == 8, "one more than the largest number, as biobench counts"


def test_kabr_is_scored_by_the_largest_values_of_whole_clips(clades, tmp_path, monkeypatch):
    few = partial(searched_answers, n_searched=3)
    monkeypatch.setattr(linear_probe, "searched_answers", few)
    root = field_layouts.kabr(tmp_path / "KABR", clades)
    report = evaluate("kabr", root, encoders="pixels", out=tmp_path / "o")
    (document,), task = report.documents, report.evaluations[0].task
    assert task.left_out == ("1 clips of val.csv have fewer than 16 frames",)
    assert {one.label for one in task.classes} == {"Walk", "Graze"}
    pooled, truth, asked = by_clip(report, 16, tmp_path / "o")
    assert (len(pooled), asked.sum()) == (12, 4)
    numbers = np.unique(truth, return_inverse=True)[1]
    said = np.unique(truth)[few(pooled[~asked], numbers[~asked], pooled[asked])]
    figures = document["results"][0]["figures"]
    assert figures["top-1"]["value"] == pytest.approx((said == truth[asked]).mean())
    assert figures["top-1"]["n"] == 4, "clips, not frames"
    wanted = f1_score(truth[asked], said, average="macro", zero_division=0)
    assert figures["macro F1"]["value"] == pytest.approx(wanted)
    assert document["settings"] == {"head": "logistic-search", "frames": 16, "pooled by": "the largest"}
    assert any("init_logreg_clf" in one for one in document["deviations"])
    published = {one["model"]: one["percent"] for one in document["published"]["figures"]}
    assert published["BioCLIP 2"] == 48.0


def test_a_clip_that_lost_a_frame_is_neither_learnt_from_nor_asked(clades, tmp_path):
    root = field_layouts.kabr(tmp_path / "KABR", clades)
    for clip in ("G0001", "G0002"):
        (root / f"dataset/image/{clip}/7.jpg").unlink()
    report = evaluate("kabr", root, encoders="pixels", head="ridge", out=tmp_path / "o")
    (document,) = report.documents
    assert document["task"]["n_used"] == 190
    assert document["results"][0]["figures"]["top-1"]["n"] == 3
    assert document["results"][0]["not_applicable"] == {
        "2 of 12 clips": "some of their 16 frames have no vector (G0001, G0002)"
    }
    assert document["deviations"][1] == "the head is not the published one"


def test_without_a_whole_clip_there_is_nothing_to_ask():
    clips = Clips(names=("a", "b", "c"), number=np.array([2, 0, 1, 2, 1, 0]), n_frames=2, n_classes=2)
    vectors, is_test = np.arange(12.0).reshape(6, 2) % 5, np.array([True, False, False, True, False, False])
    pooled, first, lacking = pooled_clips(vectors, clips, is_test)
    assert (pooled.tolist(), first.tolist(), lacking) == ([[2, 3], [4, 4], [1, 2]], [1, 2, 0], {})
    kept = np.array([0, 1, 2, 4, 5])
    with pytest.raises(InputError, match="no clip to ask has a vector for each of its 2 frames"):
        pooled_clips(vectors[kept], of_rows(clips, kept, 6), is_test[kept])


def test_mammalnet_is_read_by_its_extracted_frames(clades, tmp_path):
    root = field_layouts.mammalnet(tmp_path / "m", clades)
    task = read("mammalnet", root)
    assert (len(task), int(task.is_test.sum()), len(task.question.names)) == (9 * 32, 3 * 32, 9)
    assert [one.label for one in task.classes] == ["behaviour 3", "behaviour 11"]
    assert task.table["uri"][0].as_py() == str(root / "frames/v0_1/frame_01.jpg")
    assert task.table["uri"][31].as_py() == str(root / "frames/v0_1/frame_32.jpg")
    assert task.question.names == ("v0_1", "v1_1", "v3_1", "v4_1", "v6_1", "v7_1", "v2_1", "v5_1", "v8_1")
    assert task.left_out == (
        "1 clips of train.csv have no folder of frames",
        "1 clips of train.csv have fewer than 32 frames",
    )


def test_mammalnet_is_scored_over_its_twelve_behaviours(clades, tmp_path):
    root = field_layouts.mammalnet(tmp_path / "m", clades)
    report = evaluate("mammalnet", root, encoders="pixels", head="ridge", out=tmp_path / "o")
    pooled, truth, asked = by_clip(report, 32, tmp_path / "o")
    unit = normalize(pooled)
    grid = GridSearchCV(RidgeClassifier(), {"alpha": linear_probe.CHOSEN["ridge"][1]}, cv=3).fit(
        unit[~asked], truth[~asked]
    )
    said = grid.predict(unit[asked])
    found = {name: one["value"] for name, one in report.documents[0]["results"][0]["figures"].items()}
    numbers = {"behaviour 3": 3, "behaviour 11": 11}
    every = f1_score(
        [numbers[one] for one in truth[asked]],
        [numbers[one] for one in said],
        labels=range(12),
        average="macro",
        zero_division=0,
    )
    assert found["macro F1 over all classes"] == pytest.approx(every)
    assert found["macro F1"] == pytest.approx(6 * every)
    assert found["top-1"] == pytest.approx((said == truth[asked]).mean())


def test_the_searched_regression_is_that_of_biobench():
    rng = np.random.default_rng(0)
    classes = np.arange(60) % 3 + 4
    scales = np.array([1.0, 9.0, *[1.0] * 18])
    train = rng.normal(size=(60, 20)) * scales + 1.2 * np.eye(3, 20)[classes - 4]
    test = rng.normal(size=(80, 20)) * scales
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    spread = {"logisticregression__C": loguniform(a=1e-2, b=1e2)}
    theirs = RandomizedSearchCV(pipeline, spread, n_iter=8, random_state=17, scoring="f1_macro").fit(train, classes)
    ours = searched_answers(train, classes, test, n_searched=8)
    assert np.array_equal(ours, theirs.predict(test))
    weak = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(train, classes)
    assert not np.array_equal(ours, weak.predict(test)), "a strength was chosen"


def test_one_clip_of_a_class_chooses_no_strength():
    train, test = np.array([[1.0, 0.0], [0.0, 1.0]]), np.random.default_rng(0).normal(size=(9, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = searched_answers(train, np.array([3, 8]), test)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(train, [3, 8])
    assert np.array_equal(ours, model.predict(test))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a b\n", "line 1 of .*train.csv has 2 values: expected 5, separated by spaces, as KABR has it"),
        ("a video_id frame path labels\n", "has no column 'frame_id' .it has 'a', 'video_id', 'frame', 'path', 'labels'."),
        ("a video_id frame_id path labels\nG 1 1 G/1.jpg Walk\n", "line 2 of .* is 'G 1 1 G/1.jpg Walk': expected whole numbers"),
        ("a video_id frame_id path labels\nG 1 1 G/1.jpg 0\nG 1 3 G/3.jpg 0\n", "line 3 of .* is frame 3 of the clip 1, which has 1 before it"),
    ],
)  # fmt: skip
def test_what_is_not_kabr_is_told_in_a_line(lines, message, tmp_path):
    root = long_clips(tmp_path / "KABR", (16, 16), lambda video, _: video)
    (root / "annotation/train.csv").write_text(lines)
    with pytest.raises(InputError, match=message):
        read("kabr", root)


def test_missing_files_of_clips_are_told_in_a_line(clades, tmp_path):
    root = long_clips(tmp_path / "KABR", (16, 16), lambda video, _: video)
    (root / "annotation/classes.json").write_text("[1]")
    with pytest.raises(InputError, match="classes.json is no table of classes"):
        read("kabr", root)
    with pytest.raises(InputError, match="train.csv does not exist: expected the folder of KABR as it is published"):
        read("kabr", tmp_path)
    with pytest.raises(InputError, match="holds no frames/CLIP/frame_01.jpg: extract 32 frames of each video"):
        read("mammalnet", tmp_path)
    root = field_layouts.mammalnet(tmp_path / "m", clades)
    table = root / "annotation/composition/test.csv"
    table.write_text("trimmed_videos/v0_1.mp4 57 3\n")
    with pytest.raises(InputError, match="line 1 of .*test.csv has the behaviour '57': expected 0 to 11 as the second"):
        read("mammalnet", root)
    (root / "annotation/composition/train.csv").write_text("trimmed_videos/gone.mp4 3 3\n")
    table.write_text("trimmed_videos/away.mp4 3 3\n")
    with pytest.raises(
        InputError, match="no clip of .* has its 32 frames .1 clips of train.csv have no folder of frames;"
    ):
        read("mammalnet", root)
