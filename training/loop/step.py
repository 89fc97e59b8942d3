"""One step: the loss of a batch over all processes, and its gradient in the weights of this one."""

import math
from dataclasses import replace

import torch

from cladescope.errors import TrainingError
from cladescope.training.data.loader import Batch
from cladescope.training.data.texts import chosen_types
from cladescope.training.loop.distributed import Group
from cladescope.training.loop.evaluate import normalised
from cladescope.training.loop.gradients import ChunkedFeatures
from cladescope.training.loop.optimiser import rate_at
from cladescope.training.loop.replay import ReplayBatch
from cladescope.training.loop.run import Run, last_good
from cladescope.training.loss.criterion import Features, Replayed
from cladescope.training.model.towers import MAX_LOGIT_SCALE, moving_norms, set_trainable

MIN_LOSS_SCALE = 1e-4
"""Scale of the loss in fp16 below which skipping further steps is given up, as in fairseq
(https://github.com/facebookresearch/fairseq): thirty skipped steps in a row from the first scale, 65,536."""


def take_step(run: Run, batch: Batch) -> dict[str, float]:
    """One step of the optimiser, after which `run.progress` is one further; returns the loss and its terms.

    Raises TrainingError where the loss or its gradient is not finite; the weights are then as they were. In fp16 a
    gradient that is not finite only skips the step, which is counted, and halves the loss's scale, until that is below
    `MIN_LOSS_SCALE`.
    """
    config, step = run.config, run.progress.step
    set_trainable(run.towers, config.model, locked=run.is_locked)
    for group in run.optimiser.param_groups:
        group["lr"] = group["peak"] * rate_at(step, warmup=config.optimiser.warmup_steps, total=run.total_steps)
    run.optimiser.zero_grad(set_to_none=True)
    replay = None if run.replay is None else run.replay.batch(step, run.group, run.towers)
    loss, terms = backward(run, batch, replay)
    _check_finite(run, "loss", loss)
    run.group.add_up_gradients(run.parameters)
    run.scaler.unscale_(run.optimiser)
    norm = torch.nn.utils.get_total_norm([p.grad for p in run.parameters if p.grad is not None])
    # A scaler skips such a step and lowers its scale, so that the next may be finite.
    skipped = run.scaler.is_enabled() and not math.isfinite(float(norm))
    if not skipped or run.scaler.get_scale() < MIN_LOSS_SCALE:
        _check_finite(run, "norm of the gradient", float(norm))
    if config.optimiser.clip_norm:
        torch.nn.utils.clip_grads_with_norm_(run.parameters, config.optimiser.clip_norm, norm)
    run.scaler.step(run.optimiser)
    run.scaler.update()
    with torch.no_grad():
        run.towers.clip.logit_scale.clamp_(0, math.log(MAX_LOGIT_SCALE))
    if moving_norms(run.towers):
        run.group.average(run.towers.statistics())
    if run.average is not None and not skipped:
        run.average.update(run.towers.moving(), step=step)
    replaced = torch.tensor([batch.n_replaced + (0 if replay is None else replay.n_replaced)])
    n_replaced = run.progress.n_replaced + int(run.group.gather(replaced.to(run.towers.device)).sum())
    n_skipped = run.progress.n_skipped + skipped
    run.progress = replace(run.progress, step=step + 1, n_replaced=n_replaced, n_skipped=n_skipped)
    return {"loss": loss, **terms}


def _check_finite(run: Run, what: str, value: float) -> None:
    if not math.isfinite(value):
        n = run.progress.n_skipped
        skipped = f", after {n} skipped step{'s' * (n > 1)} in fp16" if n else ""
        raise TrainingError(
            f"the {what} is {value} at step {run.progress.step + 1}{skipped}: {last_good(run)}; "
            "lower optimiser.learning_rate, set optimiser.clip_norm, or use a wider loop.precision"
        )


def backward(run: Run, batch: Batch, replay: ReplayBatch | None = None) -> tuple[float, dict[str, float]]:
    """Loss of the batch of all processes and its terms; each process's part of the gradient is added to its weights'.

    All processes of the group must come here together.
    """
    config, towers, group = run.config, run.towers, run.group
    device, chunk = towers.device, config.loop.chunk_size
    rows = group.gather(torch.from_numpy(batch.rows).to(device)).cpu().numpy()
    codes, classes = run.codes[rows], run.classes[rows]

    def encode_images(images: torch.Tensor) -> torch.Tensor:
        with run.autocast():
            return towers.pooled(images)

    def encode_texts(tokens: torch.Tensor) -> torch.Tensor:
        with run.autocast():
            return towers.texts(tokens)

    own = len(batch.rows)
    if run.is_cached:
        features, _ = run.cached_features()
        images = ChunkedFeatures(lambda pooled: pooled, torch.from_numpy(features[batch.rows]).to(device))
    else:
        pixels = normalised(batch.pixels, towers.transform, device)
        images = ChunkedFeatures(
            encode_images, pixels if replay is None else torch.cat([pixels, replay.pixels]), chunk_size=chunk
        )
    sides = [images]
    text = torch.empty(0, towers.embed_dim, device=device)
    pairs = torch.empty(0, dtype=torch.int64)
    levels: tuple[tuple[torch.Tensor, torch.Tensor], ...] = ()
    if config.objective.has_texts:
        positions = positions_of(batch, group)
        types = chosen_types(
            config.data,
            seed=config.seed,
            step=run.progress.step,
            epoch=run.progress.step // run.steps_per_epoch,
            positions=positions,
        )
        plan = run.texts.plan(
            rows,
            codes,
            text_types=types,
            with_levels="level_restricted" in config.objective.terms,
        )
        # Each process encodes its share of the batch's different strings; the last share is filled up with the first.
        captions = () if replay is None else replay.captions
        strings = [*plan.strings, *captions]
        share = -(-len(strings) // group.n_processes)
        mine = (strings + strings[:1] * (share * group.n_processes))[group.process * share :][:share]
        side = ChunkedFeatures(encode_texts, run.tokens(mine).to(device), chunk_size=chunk)
        sides.append(side)
        text = group.gather(side.features)
        pairs = torch.from_numpy(plan.pairs)
        levels = tuple((torch.from_numpy(labels), torch.from_numpy(own_)) for labels, own_ in plan.levels)
    pooled = images.features[:own]
    replayed = None
    if replay is not None:
        numbers: dict[str, int] = {}
        places = [numbers.setdefault(caption, len(numbers)) for caption in replay.captions]
        replayed = Replayed(
            image=group.gather(towers.project(images.features[own:], replay=True)),
            text=text[len(plan.strings) : len(plan.strings) + len(captions)],
            captions=torch.tensor(places, device=device),
            rows=group.own(len(replay.pixels)),
        )
    taught = None if run.taught is None or run.is_locked else torch.from_numpy(run.taught[batch.rows]).to(device)
    part, parts = run.criterion(
        Features(
            pooled=pooled,
            taught=taught,
            image=group.gather(towers.project(pooled)),
            text=text,
            pairs=pairs.to(device),
            levels=tuple((labels.to(device), own_.to(device)) for labels, own_ in levels),
            codes=torch.from_numpy(codes).to(device),
            classes=torch.from_numpy(classes).to(device),
            scale=towers.scale,
            rows=group.own(own),
            replay=replayed,
        )
    )
    value, *terms = group.add_up(torch.stack([part, *parts.values()])).tolist()
    if math.isfinite(value):
        run.scaler.scale(part).backward()
        for side in sides:
            side.backward()
    return value, dict(zip(parts, terms, strict=True))


def positions_of(batch: Batch, group: Group) -> list[int]:
    """Places in the epoch of the pictures of all processes, in the order in which their features are gathered."""
    first = int(batch.positions[0]) - group.process
    return [
        first + process + place * group.n_processes
        for process in range(group.n_processes)
        for place in range(len(batch.positions))
    ]
