"""Two and four processes that share a batch, against one process that has all of it."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch

from cladescope.errors import InputError
from cladescope.training.data.loader import Batch
from cladescope.training.loop.distributed import Group, _buckets, process_group
from cladescope.training.loop.step import positions_of
from cladescope.training.loop.train import train
from tests.training.loop import two_processes
from tests.training.small_runs import EVERY_TERM, OPEN_CLIP, captions, card, curve, manifest_of, small

pytestmark = pytest.mark.usefixtures("one_thread")

PLAN = {
    "every-term": {"objective.terms": EVERY_TERM, "objective.label_smoothing": 0.1},
    "chunks": {"objective.terms": EVERY_TERM, "loop.chunk_size": 3, "optimiser.clip_norm": 0.5},
    "heads": {
        "objective.terms": {"cross_entropy": 1.0, "hierarchical_cross_entropy": 0.3},
        "objective.head_on": "embedding",
        "loop.monitor": "one_shot",
        "optimiser.weight_decay": 0.5,
    },
    "replay": {"objective.replay_batch": 4, "data.text_choice": "step", **OPEN_CLIP},
    "taught": {"teachers.encoders": ["pixels"], "teachers.dim": 6},
    "cached": {"model.lock_image_steps": 2, "model.lock_image_cached": True},
}
IN_FOUR = ("every-term", "replay")


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Runs a module in several processes, as torchrun does; what each wrote to its two streams."""
    alone = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.training.loop.forked"],
        env={**os.environ, **alone},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:

        def run(module, *arguments, n=2):
            folder = tmp_path_factory.mktemp("streams")
            parent.stdin.write(json.dumps([str(folder), n, module, [str(argument) for argument in arguments]]) + "\n")
            parent.stdin.flush()
            statuses = json.loads(parent.stdout.readline())
            streams = [[(folder / f"{process}.{name}").read_text() for name in ("out", "err")] for process in range(n)]
            assert statuses == [0] * n, "".join(err for _, err in streams)
            return streams

        yield run
        parent.stdin.close()


@pytest.fixture(scope="module")
def both(clades, checkpoint, together, tmp_path_factory):
    """What each of two processes found for each configuration, what one process did, and a run of the command."""
    folder = tmp_path_factory.mktemp("distributed")
    source = folder / "clades"
    shutil.copytree(clades, source)
    for path in source.glob("images/*/002.jpg"):
        path.write_bytes(b"no picture")
    # Adam divides a gradient by its size: with a small eps, what is rounding alone (a key's bias has no gradient, for
    # softmax does not see it) would become a whole step, in a direction of its own in each process.
    common = {"data.source": str(manifest_of(source)), "optimiser.eps": 1e-3}
    plan = {name: {**common, **overrides} for name, overrides in PLAN.items()}
    plan["replay"] |= {
        "model.open_clip": str(checkpoint),
        "objective.replay_source": str(captions(clades, folder / "captions.csv")),
    }
    moving = {**common, "model.freeze_norm": False}
    found = shared({**plan, "moving norms": moving}, folder / "two", 2, together)
    one = {}
    for name, overrides in plan.items():
        config = small(source, overrides)
        one[name] = two_processes.steps(config, folder / "one" / name, Group())
    four = shared({name: plan[name] for name in IN_FOUR}, folder / "four", 4, together)
    return found, one, four


def shared(plan, folder, n, together):
    """What each of n processes found for each configuration of a plan whose batches they share."""
    folder.mkdir()
    sizes = {"loop.batch_size": 8 // n}
    parts = {name: {**overrides, **sizes} for name, overrides in plan.items()}
    parts["replay"]["objective.replay_batch"] = 4 // n
    (folder / "plan.json").write_text(json.dumps(parts))
    together("tests.training.loop.two_processes", folder / "plan.json", folder, n=n)
    return {name: [torch.load(folder / f"{name}-{process}.pt") for process in range(n)] for name in plan}


def assert_close(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-6 + 1e-4 * float(value.abs().max()))


@pytest.mark.parametrize("name", PLAN)
def test_two_processes_have_the_loss_of_one(both, name):
    found, one, _ = both
    for process in found[name]:
        assert process["loss"] == pytest.approx(one[name]["loss"], rel=1e-5)
        assert process["terms"] == pytest.approx(one[name]["terms"], rel=1e-5)
        assert process["losses"] == pytest.approx(one[name]["losses"], rel=1e-3)


@pytest.mark.parametrize("name", PLAN)
def test_two_processes_have_the_gradient_of_one(both, name):
    found, one, _ = both
    assert one[name]["gradient"]
    for process in found[name]:
        assert_close(process["gradient"], one[name]["gradient"])


@pytest.mark.parametrize("name", PLAN)
def test_two_processes_end_with_one_and_the_same_weights(both, name):
    found, one, _ = both
    first, second = (process["weights"] for process in found[name])
    assert all(torch.equal(first[key], second[key]) for key in first)
    for key, value in one[name]["weights"].items():
        # Least squares of few pictures, with which the student starts, enlarge what is rounding alone.
        torch.testing.assert_close(first[key], value, rtol=1e-3, atol=2e-4 if "student" in key else 1e-5)


@pytest.mark.parametrize("name", IN_FOUR)
def test_four_processes_have_the_loss_and_the_gradient_of_one(both, name):
    _, one, four = both
    for process in four[name]:
        assert process["loss"] == pytest.approx(one[name]["loss"], rel=1e-5)
        assert process["terms"] == pytest.approx(one[name]["terms"], rel=1e-5)
        assert_close(process["gradient"], one[name]["gradient"])
    for key, value in four[name][0]["weights"].items():
        assert all(torch.equal(process["weights"][key], value) for process in four[name][1:])


def test_together_they_see_the_batch_of_one(both):
    found, one, _ = both
    for name in PLAN:
        first, second = (process["rows"] for process in found[name])
        assert [row for pair in zip(first, second, strict=True) for row in pair] == one[name]["rows"]


@pytest.mark.parametrize("name", PLAN)
def test_they_share_the_pictures_of_an_evaluation_and_score_as_one(both, name):
    found, one, _ = both
    first, second = found[name]
    n = one[name]["n_read"]
    assert [first["n_read"], second["n_read"]] == [n // 2, n // 2]
    assert second["scores"] == {}
    assert first["scores"].keys() == one[name]["scores"].keys()
    assert ("zero_shot_images" in first["scores"]) == (name != "heads")
    assert first["untrained"] == pytest.approx(one[name]["untrained"], abs=1e-9)
    # Weights that differ in the last digits may turn one picture of the few.
    assert first["scores"] == pytest.approx(one[name]["scores"], abs=0.15)
    assert first["kept"] == second["kept"] == one[name]["kept"]
    assert first["vectors"] == second["vectors"]
    assert len(first["kept"]) < n, "some pictures are broken"


def test_batch_norms_of_all_processes_keep_the_same_statistics(both):
    first, second = both[0]["moving norms"]
    assert first["statistics"]
    assert all(torch.equal(*pair) for pair in zip(first["statistics"], second["statistics"], strict=True))
    assert all(torch.equal(first["weights"][key], value) for key, value in second["weights"].items())


def test_what_is_replaced_is_counted_over_all_processes(both):
    found, one, _ = both
    for name in PLAN:
        assert [process["n_replaced"] for process in found[name]] == [one[name]["n_replaced"]] * 2
    assert one["every-term"]["n_replaced"] > 0


def test_the_command_trains_in_two_processes_and_talks_in_one(clades, together, tmp_path):
    config = small(clades, {"loop.batch_size": 4, "loop.epochs": 1})
    overrides = {"loop.batch_size": 4, "loop.epochs": 1, "data.source": config.data.source}
    options = [part for key, value in overrides.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    arguments = ["train", two_processes.SMALL, "--out", tmp_path / "run", "--json"]
    (out, _), (silent, _) = together("cladescope.app.cli", *arguments, *options)
    assert json.loads(out)["encoder"] == str(tmp_path / "run" / "export")
    assert silent == ""
    assert [line["step"] for line in curve(tmp_path / "run")] == [1, 2, 3, 3]
    assert card(tmp_path / "run")["steps"] == 3


def test_all_processes_find_the_scores_of_what_is_exported(clades, checkpoint, together, tmp_path):
    # A share of what was trained is chosen and tested; no weight moves, so that one process finds the very same.
    overrides = {
        "data.source": small(clades).data.source, "data.held_out_species": 0.0, "data.tested_images": 0.25,
        "model.timm": "", "model.freeze_norm": False, "model.open_clip": str(checkpoint), "model.image_size": 0,
        "model.blend_shares": [0.0, 1.0], "optimiser.learning_rate": 1e-12,
        "optimiser.weight_decay": 0.0, "loop.epochs": 1, "optimiser.warmup_steps": 1,
    }  # fmt: skip
    train(small(clades, overrides), tmp_path / "one")
    options = [part for key, value in overrides.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    arguments = ["train", two_processes.SMALL, "--out", tmp_path / "two", *options, "--set", "loop.batch_size=4"]
    together("cladescope.app.cli", *arguments)
    found, expected = (card(tmp_path / name)["gain"] for name in ("two", "one"))
    assert found == expected


def test_alone_a_process_is_the_first_and_only_one(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with process_group("cpu") as group:
        assert group == Group(process=0, n_processes=1, local=0)
        assert group.is_first
        rows = torch.arange(3)
        assert group.gather(rows) is rows
        group.wait()


@pytest.mark.parametrize(
    "variables, message",
    [
        ({"WORLD_SIZE": "2", "RANK": "0"}, "WORLD_SIZE is 2, but LOCAL_RANK, MASTER_ADDR, MASTER_PORT is not set"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two', expected a number of processes"),
    ],
)
def test_incomplete_variables_of_torchrun_are_told(monkeypatch, variables, message):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message), process_group("cpu"):
        pass


def test_buckets_hold_every_weight_once_and_one_type_each(monkeypatch):
    monkeypatch.setattr("cladescope.training.loop.distributed.BUCKET_NUMBERS", 10)
    sizes = [(4, torch.float32), (7, torch.float32), (30, torch.float32), (2, torch.float16), (3, torch.float32)]
    weights = [torch.nn.Parameter(torch.zeros(n, dtype=dtype)) for n, dtype in sizes]
    buckets = list(_buckets(weights))
    assert [weight is other for bucket in buckets for weight, other in zip(bucket, bucket, strict=True)]
    assert [[len(weight) for weight in bucket] for bucket in buckets] == [[4], [7], [30], [2], [3]]
    assert list(_buckets([])) == []
    assert [len(bucket) for bucket in _buckets(weights[:1] + weights[4:])] == [2]


def test_positions_are_those_of_the_rows_that_are_gathered():
    for process in (0, 1, 2):
        positions = 30 + process + 3 * torch.arange(4).numpy()
        batch = Batch(0, positions, positions, torch.zeros(4, 1, 1, 3, dtype=torch.uint8).numpy(), 0)
        expected = [30, 33, 36, 39, 31, 34, 37, 40, 32, 35, 38, 41]
        assert positions_of(batch, Group(process, 3)) == expected
