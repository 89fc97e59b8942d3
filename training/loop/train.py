"""The training loop, top to bottom.

A run is a folder: `config.json` (resolved), `split.json`, `log.jsonl` and TensorBoard's files, `checkpoints/last.pt` and
`best.pt`, and at the end `export/`, a checkpoint folder for open_clip and for `Encoder.load`. What a step sees depends on
the configuration and the number of the step alone, so that a resumed run continues bit for bit on a CPU.
"""

import contextlib
import json
import logging
import time
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from cladescope.errors import InputError
from cladescope.training.config import TrainConfig
from cladescope.training.data.loader import AHEAD, Batch, augmented, batches
from cladescope.training.data.sampling import epoch_order
from cladescope.training.data.splits import Split
from cladescope.training.loop import checkpoint
from cladescope.training.loop.checkpoint import BEST, LAST, Progress
from cladescope.training.loop.distributed import process_group
from cladescope.training.loop.evaluate import evaluate
from cladescope.training.loop.export import data_card, environment, export, file_name, write_taxa
from cladescope.training.loop.foretelling import foretold
from cladescope.training.loop.gain import Gain, chosen_and_tested
from cladescope.training.loop.logs import Log
from cladescope.training.loop.nearest import write_nearest
from cladescope.training.loop.prepare import prepare
from cladescope.training.loop.run import Run, averaged, held, restore, save
from cladescope.training.loop.step import take_step
from cladescope.training.loop.teaching import LoadEncoder
from cladescope.training.loop.trained_on import write_trained_on
from cladescope.training.sections import ModelConfig

logger = logging.getLogger(__name__)


def train(
    config: TrainConfig,
    out: str | Path,
    *,
    recipe: str = "not stated",
    resume: bool = False,
    load_encoder: LoadEncoder | None = None,
) -> Path:
    """Train an encoder in the folder `out`, which may hold an unfinished run with `resume`; return the exported folder.

    `load_encoder` gives the encoders of `teachers.encoders` by their names.

    Memory: the weights four times (gradient, AdamW's two moments), a fifth for a moving average, activations of
    `chunk_size` pictures, and what `distributed` says of matrices of scores.

    Raises InputError for a configuration or data that cannot be used, or a run that is there already; EncoderError
    where the starting weights cannot be had; TrainingError where the loss is no longer finite; StoreError where a
    checkpoint cannot be written, or another process trains in the folder.
    """
    folder = Path(out)
    with process_group(config.loop.device) as group, contextlib.ExitStack() as stack:
        if group.is_first:
            stack.enter_context(held(folder))
        run = prepare(config, folder, group, resume=resume, load_encoder=load_encoder)
        if run.replay is not None:
            stack.callback(run.replay.close)
        log = stack.enter_context(Log(folder, run.progress) if group.is_first else nullcontext(None))
        if config.loop.foretell and run.progress.step < run.total_steps:
            logger.info("%s", foretold(run, _epoch(run)))
        while True:
            if _evaluation_is_due(run):
                _evaluate(run, log)
                save(run, LAST)
            if run.progress.step >= run.total_steps:
                break
            began = time.monotonic()
            for batch in _epoch(run):
                terms = take_step(run, batch)
                run.seen += run.batch_pictures
                run.busy += time.monotonic() - began
                if run.progress.step % config.loop.log_every == 0 or run.progress.step == run.total_steps:
                    _report(run, terms, log)
                if run.progress.step % config.loop.save_every == 0:
                    save(run, LAST)
                began = time.monotonic()
        group.wait()
        if group.is_first:
            write_nearest(folder)
        _export(run, recipe)
        group.wait()
    return folder / "export"


def _evaluation_is_due(run: Run) -> bool:
    """Whether the run stands at the end of an epoch that asks for scores, and has none yet."""
    step, every = run.progress.step, run.config.loop.evaluate_every
    epoch, within = divmod(step, run.steps_per_epoch)
    if within or run.progress.evaluated == step:
        return False
    return step == run.total_steps or (every > 0 and epoch % every == 0)


def _epoch(run: Run) -> Generator[Batch, None, None]:
    """The batches of the epoch that the run is in, from its next step on."""
    config = run.config
    epoch, start = divmod(run.progress.step, run.steps_per_epoch)
    streamed = run.streamed_order(epoch)
    order = _random_order(run, epoch) if streamed is None else streamed
    if run.is_cached:
        unlocked = config.model.lock_image_steps - epoch * run.steps_per_epoch
        stop = run.steps_per_epoch if config.model.lock_image else min(run.steps_per_epoch, unlocked)
        assert isinstance(order, np.ndarray), "a stream has no cached features"
        yield from _without_pixels(run, order, start, stop)
        start = stop
        if stop == unlocked:
            run.features = None
    stream = batches(
        run.examples,
        order,
        batch_size=config.loop.batch_size,
        prepare=augmented(
            run.towers.train_size,
            config.augment,
            seed=config.seed,
            epoch=epoch,
            interpolation=run.towers.transform.interpolation,
        ),
        workers=config.data.workers,
        replace_seed=config.seed,
        start_step=start,
        process=run.group.process,
        n_processes=run.group.n_processes,
        known_broken=run.broken,
        arriving=None
        if streamed is None
        else streamed.arriving(
            run.examples, start=start * config.loop.batch_size, ahead=AHEAD * config.loop.batch_size
        ),
    )
    with contextlib.closing(stream):
        yield from stream


def _random_order(run: Run, epoch: int) -> Int[np.ndarray, " n"]:
    """Rows of the epoch in an order of its own."""
    config, train = run.config, run.split.train
    order: Int[np.ndarray, " n"] = train[
        epoch_order(
            run.classes[train],
            seed=config.seed,
            epoch=epoch,
            balance=config.data.balance,
            n_samples=config.data.samples_per_epoch or None,
        )
    ]
    return order


def _without_pixels(run: Run, order: Int[np.ndarray, " n"], start: int, stop: int) -> Iterator[Batch]:
    """Steps `start` to `stop` of an epoch whose features are cached: the rows that `batches` would give."""
    n = run.config.loop.batch_size
    _, readable = run.cached_features()
    good = order[readable[order]]
    if not len(good):
        raise InputError(f"none of {len(order)} pictures could be read: check that the files are where they were")
    for step in range(start, stop):
        first = step * n * run.group.n_processes + run.group.process
        positions = first + run.group.n_processes * np.arange(n)
        rows = order[positions]
        broken = np.flatnonzero(~readable[rows])
        for place in broken:
            rng = np.random.default_rng((run.config.seed, int(positions[place])))
            rows[place] = good[rng.integers(len(good))]
        yield Batch(step, positions, rows, np.empty((n, 0, 0, 3), np.uint8), len(broken))


def _report(run: Run, terms: dict[str, float], log: Log | None) -> None:
    if log is None:
        return
    rate = run.seen / run.busy if run.busy else 0.0
    line = {
        **terms,
        "scale": float(run.towers.scale.detach()),
        "learning_rate": max(group["lr"] for group in run.optimiser.param_groups),
        "pictures_per_second": round(rate, 2),
        "replaced": run.progress.n_replaced,
        **({"skipped": run.progress.n_skipped} if run.scaler.is_enabled() else {}),
    }
    log.write("train", run.progress.step, line)
    logger.info(
        "step %d of %d: loss %.4f, %.0f pictures a second%s%s",
        run.progress.step,
        run.total_steps,
        terms["loss"],
        rate,
        f", {run.progress.n_replaced} unreadable pictures replaced" if run.progress.n_replaced else "",
        f", {run.progress.n_skipped} steps skipped, whose gradient was not finite" if run.progress.n_skipped else "",
    )
    run.seen, run.busy = 0, 0.0


def _evaluate(run: Run, log: Log | None) -> None:
    """Score the held-out parts; keep the checkpoint if it is the best so far."""
    run.progress = replace(run.progress, evaluated=run.progress.step)
    if run.config.model.blend_shares or not (len(run.split.held_out_images) or len(run.split.held_out_species)):
        return
    nearest: dict[str, float] = {}
    with averaged(run):
        run.scores = _scores(run, run.judging.chooses, nearest)
    if log is not None:
        log.write("evaluate", run.progress.step, {**run.scores, **nearest})
        found = ", ".join(f"{name} {score:.3f}" for name, score in run.scores.items())
        logger.info("step %d: %s", run.progress.step, found)
        score = run.scores.get(run.config.loop.monitor)
        if score is None:
            logger.warning(
                "too little is held out for %s: the last checkpoint is exported, not the best", run.config.loop.monitor
            )
        elif run.progress.best is None or score > run.progress.best:
            run.progress = replace(run.progress, best=score)
            save(run, BEST)
    run.group.wait()


def _scores(run: Run, split: Split, nearest: dict[str, float] | None = None) -> dict[str, float]:
    return evaluate(
        run.towers, run.tokens, run.examples, split, with_texts=run.config.objective.has_texts,
        workers=run.config.data.workers, autocast=run.autocast, group=run.group, nearest=nearest,
    )  # fmt: skip


def _export(run: Run, recipe: str) -> None:
    """Export the best checkpoint, or the last where nothing was held out to judge by. All processes find its scores."""
    progress, config = run.progress, run.config
    if run.group.is_first:
        best = run.folder / "checkpoints" / BEST
        progress, content = checkpoint.load(best if best.exists() else run.folder / "checkpoints" / LAST)
        restore(run, content)
    with averaged(run):
        run.group.share([*run.towers.parameters(), *run.towers.buffers()])
        gain = chosen_and_tested(run) if config.model.blend_shares else None
        if run.judging.tells is not None and gain is None:
            run.scores = _scores(run, run.judging.tells)
        if not run.group.is_first:
            return
        folder = export(
            run.towers, run.folder / "export", card=_card(run, progress, recipe, gain), dtype=config.model.export_dtype
        )
    if not run.examples.by_label:
        write_taxa(folder, run.examples, run.split)
    write_trained_on(folder, run)


def _card(run: Run, progress: Progress, recipe: str, gain: Gain | None) -> dict[str, Any]:
    """What is said of the exported encoder."""
    config = run.config
    scores_of = gain.scores_of if gain is not None else run.judging.scores_of if progress.best is not None else None
    return {
        "name": run.folder.name,
        "recipe": recipe,
        "started_from": _started_from(config.model),
        **({"taught_by": _without_folders(list(config.teachers.encoders))} if config.teachers.encoders else {}),
        "steps": progress.step,
        "scores": run.scores if gain is None else gain.scores,
        **({} if scores_of is None else {"scores_of": scores_of}),
        **({} if gain is None else {"gain": gain.to_dict()}),
        "data": data_card(run.examples, run.split),
        "environment": environment(run.towers.device),
        "config": _without_folders(json.loads(json.dumps(config.to_dict()))),
    }


def _started_from(model: ModelConfig) -> str:
    weights = file_name(model.weights)
    if model.timm:
        return f"timm:{model.timm}, {weights or 'random weights'}"
    others = [file_name(name) for name in model.averaged_with]
    averaged = f", the mean of it and of {' and '.join(others)}" if others else ""
    blended = f", {model.blend:g} of it and the rest of {weights}" if model.blend != 1 else ""
    return f"{file_name(model.open_clip)}{averaged}{blended}"


def _without_folders(values: Any) -> Any:
    """A configuration whose local paths are the names of their files."""
    if isinstance(values, dict):
        return {key: _without_folders(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_without_folders(value) for value in values]
    return file_name(values) if isinstance(values, str) else values
