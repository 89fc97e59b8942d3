"""One of several processes that train together, started by `test_distributed.py`: `two_processes.py PLAN OUT`.

PLAN is a JSON file with a configuration for each name. For each the gradient of the first step, the weights after some
steps, what was logged and the scores go to OUT.
"""

import json
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from cladescope.embedding.encoder import Encoder
from cladescope.training.config import load_config
from cladescope.training.data.examples import Examples
from cladescope.training.loop.distributed import Group, process_group
from cladescope.training.loop.evaluate import encode_examples, evaluate
from cladescope.training.loop.prepare import prepare
from cladescope.training.loop.step import backward, take_step
from tests.training.small_runs import SMALL, batches_of, wake_texts

N_STEPS = 3


def steps(config, folder, group):
    """Loss, gradient and rows of the first step, losses of the steps and weights after them."""
    run = prepare(config, folder, group, resume=False, load_encoder=Encoder.load)
    wake_texts(run.towers)
    untrained = evaluation(run, group)["scores"]
    batches = batches_of(run, N_STEPS)
    named = {**dict(run.towers.named_parameters()), **dict(run.criterion.named_parameters())}
    first = None if run.replay is None else run.replay.batch(0, group, run.towers)
    loss, terms = backward(run, batches[0], first)
    group.add_up_gradients(run.parameters)
    gradient = {name: weight.grad.clone() for name, weight in named.items() if weight.grad is not None}
    losses = [take_step(run, batch)["loss"] for batch in batches]
    if run.replay is not None:
        run.replay.close()
    return {
        "loss": loss,
        "terms": terms,
        "gradient": gradient,
        "losses": losses,
        "weights": {name: weight.detach().clone() for name, weight in named.items()},
        "statistics": [value.clone() for value in run.towers.statistics()],
        "untrained": untrained,
        "rows": batches[0].rows.tolist(),
        "n_replaced": run.progress.n_replaced,
        **evaluation(run, group),
    }


def evaluation(run, group):
    """Scores, vectors of all examples with their rows, and how many pictures this process read for the vectors."""
    options = {"workers": 1, "autocast": run.autocast, "group": group}
    read = []
    real = Examples.read
    run.towers.eval()
    with mock.patch.object(Examples, "read", lambda self, row: (read.append(row), real(self, row))[1]):
        vectors, kept = encode_examples(run.towers, run.examples, np.arange(len(run.examples))[::-1], **options)
    with_texts = run.config.objective.has_texts
    scores = evaluate(run.towers, run.tokens, run.examples, run.split, with_texts=with_texts, **options)
    return {"vectors": vectors.tolist(), "kept": kept.tolist(), "n_read": len(read), "scores": scores}


def main(plan_path: Path, out: Path) -> None:
    """Every configuration of the plan, in this process's part."""
    torch.set_num_threads(1)
    plan = json.loads(plan_path.read_text())
    with process_group("cpu") as group:
        assert isinstance(group, Group)
        for name, overrides in plan.items():
            found = steps(load_config(SMALL, overrides), out / name, group)
            torch.save(found, out / f"{name}-{group.process}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
