"""Towers that are compiled stay so: how many graphs a run makes, and that every step takes them."""

import itertools

import pytest
import torch
from torch._dynamo.utils import counters

from cladescope.training.loop.step import take_step
from tests.training.small_runs import batches_of, small, started

pytestmark = pytest.mark.usefixtures("one_thread")

N_STEPS = 50
LENGTHS = (16, 32, 48, 64)
"""Tokens of compiled texts that may be 64 long."""


@pytest.fixture
def compiled(clades, tmp_path):
    """Makes a run whose towers are captured, but not translated; with its graphs, their calls, and sizes of texts."""
    torch._dynamo.reset()
    counters.clear()

    def make(overrides):
        # Texts of one type in a step have lengths that differ from step to step.
        steps = {"data.text_choice": "step", "loop.epochs": 20, "model.timm": "test_vit", "model.freeze_norm": False}
        run = started(small(clades, {**steps, **overrides}), tmp_path)
        graphs, calls, sizes = [], [], []

        def backend(graph, _):
            graphs.append(graph)
            return lambda *given: (calls.append(graph), graph.forward(*given))[1]

        real = run.towers.clip.encode_text
        run.towers.clip.encode_text = lambda tokens: (sizes.append(tuple(tokens.shape)), real(tokens))[1]
        run.towers.compile(backend=backend)
        return run, graphs, calls, sizes

    yield make
    torch._dynamo.reset()


def steps_of(run, n):
    batches = itertools.cycle(batches_of(run, 3))
    for _ in range(n):
        take_step(run, next(batches))


def test_fifty_steps_make_a_graph_for_each_length_of_texts_and_no_more(compiled):
    run, graphs, calls, sizes = compiled({})
    steps_of(run, N_STEPS)
    lengths = {length for _, length in sizes}
    assert lengths <= set(LENGTHS)
    assert len(lengths) > 2
    # One of pictures; of texts one for each length, and a first one before their number was seen to vary.
    assert len(graphs) == counters["stats"]["unique_graphs"] <= 2 + len(lengths)
    assert len(calls) == 2 * N_STEPS, "no step was computed without a graph"


def test_chunks_make_graphs_with_and_without_gradients_and_no_more(compiled):
    run, graphs, calls, sizes = compiled({"loop.chunk_size": 5})
    steps_of(run, 15)
    lengths = {length for _, length in sizes}
    # Chunks of five and of fewer, of one row by themselves, each encoded twice.
    assert len(graphs) <= 2 * (2 + 3 * len(lengths))
    pictures = 2 * 2 * 15
    assert len(calls) == pictures + len(sizes), "no chunk was computed without a graph"


def test_without_compiling_texts_are_no_longer_than_they_are(clades, tmp_path):
    run = started(small(clades, {"data.text_choice": "step"}), tmp_path)
    sizes = []
    real = run.towers.clip.encode_text
    run.towers.clip.encode_text = lambda tokens: (sizes.append(tokens.shape[1]), real(tokens))[1]
    for batch in batches_of(run, 3):
        take_step(run, batch)
    assert any(size % 8 for size in sizes)
