"""How a run starts: everything checked, data and weights loaded, and back to where it stopped."""

import functools
import logging
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int

from cladescope.analysis.measures.class_sums import class_sums
from cladescope.arrays import normalise
from cladescope.errors import InputError
from cladescope.files import write_json
from cladescope.index.files import disk_errors
from cladescope.shown import counted
from cladescope.taxonomy.taxon import RANKS
from cladescope.training.config import TrainConfig
from cladescope.training.data.by_class import ByClass
from cladescope.training.data.examples import Examples
from cladescope.training.data.loader import n_steps
from cladescope.training.data.splits import Split
from cladescope.training.data.texts import Tokens
from cladescope.training.loop import checkpoint
from cladescope.training.loop.checkpoint import BEST, LAST, Progress
from cladescope.training.loop.distributed import Group
from cladescope.training.loop.evaluate import SCORES, encode_examples
from cladescope.training.loop.optimiser import Average, make_optimiser
from cladescope.training.loop.replay import ReplayStream
from cladescope.training.loop.run import Run, restore
from cladescope.training.loop.shared_data import run_data
from cladescope.training.loop.teaching import LoadEncoder, start_foretelling, taught_vectors
from cladescope.training.loss.criterion import Criterion
from cladescope.training.model.depthwise import depthwise_in_float32
from cladescope.training.model.start import build
from cladescope.training.model.towers import Towers, moving_norms, set_trainable
from cladescope.training.model.whitening import whitened_projection

logger = logging.getLogger(__name__)

MAX_START_PICTURES = 50_000
"""Pictures from whose features the whitened projection is computed, and the layer that foretells what teachers say."""


def prepare(
    config: TrainConfig, folder: Path, group: Group, *, resume: bool, load_encoder: LoadEncoder | None = None
) -> Run:
    """Check everything, load data and weights, and go to where the run stopped; `load_encoder` gives the teachers by their names."""
    if config.teachers.encoders and load_encoder is None:
        raise InputError("teachers.encoders name encoders, and nothing was given that loads them: use cladescope.train")
    last = folder / "checkpoints" / LAST
    if last.exists() and not resume:
        raise InputError(f"{folder} holds a run already: resume it, or choose another folder")
    content: dict[str, Any] | None = None
    progress = Progress()
    if resume:
        progress, content = checkpoint.load(last, config=config)
    device = _device(config, group)
    _check(config, device)
    # Before any picture is read: a teacher that is not there is told at once.
    teachers = [] if load_encoder is None else [load_encoder(name) for name in config.teachers.encoders]
    data = run_data(config, folder, group)
    examples, parts = data.examples, data.split
    order_length = config.data.samples_per_epoch or len(parts.train)
    steps_per_epoch = n_steps(order_length, batch_size=config.loop.batch_size, n_processes=group.n_processes)
    if config.optimiser.warmup_steps >= steps_per_epoch * config.loop.epochs:
        raise InputError(
            f"optimiser.warmup_steps is {config.optimiser.warmup_steps}, but the run has only "
            f"{steps_per_epoch * config.loop.epochs} steps: warm up for fewer, or train for longer"
        )
    torch.manual_seed(config.seed)
    towers = build(config.model)
    if config.loop.checkpointing:
        towers.clip.set_grad_checkpointing()
    towers.to(device).to(memory_format=torch.channels_last)

    @functools.cache
    def features() -> tuple[Float32[np.ndarray, "m p"], Int[np.ndarray, " m"]]:
        return _start_features(towers, examples, parts, config, group)

    if device.type == "cpu" and config.loop.precision == "bf16":
        depthwise_in_float32(towers.clip.visual)
    if config.model.projection == "whitened" and content is None:
        _whiten(towers, examples, config, features)
    if config.objective.replay_source:
        towers.add_replay_projection()
    learnt = np.unique(examples.classes()[parts.train])
    codes = np.stack([_counted_among(column, learnt) for column in examples.rank_codes().T], axis=1)
    classes = _counted_among(np.arange(len(codes)), learnt)
    taught = None
    if teachers:
        taught = taught_vectors(
            examples, parts.train, config.teachers,
            teachers=teachers, workers=config.data.workers, group=group, device=device,
        )  # fmt: skip
    student = None if taught is None else torch.nn.Linear(towers.pooled_dim, taught.shape[1])
    if student is not None and taught is not None and content is None:
        found, kept = features()
        start_foretelling(student, found, taught[kept])
    criterion = Criterion(
        config.objective,
        student=student,
        teachers_weight=config.teachers.weight,
        head_dim=towers.pooled_dim if config.objective.head_on == "pooled" else towers.embed_dim,
        n_classes=int(classes.max()) + 1,
        n_taxa={rank: int(codes[:, rank].max()) + 1 for rank in range(len(RANKS))},
    ).to(device)
    if config.objective.head_start == "means" and content is None:
        _start_head(criterion, towers, examples, parts, ByClass(classes, examples.classes()), config, group)
    set_trainable(towers, config.model, locked=config.model.lock_image)
    if config.loop.chunk_size and (moving := moving_norms(towers)):
        raise InputError(
            f"loop.chunk_size is {config.loop.chunk_size}, but {moving} batch norms of the model take the statistics of "
            "their batch, so that a chunk has other features than the whole: set model.freeze_norm, or chunk_size = 0"
        )
    group.share([*towers.parameters(), *towers.buffers(), *criterion.parameters()])
    run = Run(
        config=config,
        folder=folder,
        group=group,
        examples=examples,
        split=parts,
        towers=towers,
        tokens=Tokens(towers.tokenizer),
        criterion=criterion,
        optimiser=make_optimiser(config, towers, criterion),
        scaler=torch.amp.GradScaler(device.type, enabled=config.loop.precision == "fp16"),
        average=Average(towers.moving(), decay=config.optimiser.average) if config.optimiser.average else None,
        replay=ReplayStream.open(config) if config.objective.replay_source else None,
        steps_per_epoch=steps_per_epoch,
        progress=progress,
        broken=set(),
        codes=ByClass(codes, examples.classes()),
        classes=ByClass(classes, examples.classes()),
        data_hash=data.data_hash,
        contents=data.contents,
        taught=taught,
    )
    if config.data.read == "stream":
        logger.info("reading %s in order", counted(len(run.sharded.starts) - 1, "shard"))
    if content is not None:
        restore(run, content)
    if config.loop.compile:
        towers.compile()
    if group.is_first:
        with disk_errors(folder):
            (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
            if content is None:  # of a run that was killed before its first checkpoint
                (folder / "checkpoints" / BEST).unlink(missing_ok=True)
            write_json(folder / checkpoint.CONFIG_FILE, config.to_dict())
            write_json(folder / "split.json", parts.report())
    logger.info(
        "%d pictures of %d %s to train on, %d of the same and %d of other species held out%s; %d steps, which leave %d pictures over in each epoch",
        len(parts.train),
        len(np.unique(examples.classes()[parts.train])),
        "labels" if examples.by_label else "taxa",
        len(parts.held_out_images),
        len(parts.held_out_species),
        f", {len(parts.tested)} for the test at the end" if config.data.tested_images else "",
        run.total_steps,
        order_length - steps_per_epoch * run.batch_pictures,
    )
    return run


def _counted_among(codes: Int[np.ndarray, " n"], rows: Int[np.ndarray, " t"]) -> Int[np.ndarray, " n"]:
    """Codes counted anew from 0 among those that some rows have; -1 for the others."""
    known = np.unique(codes[rows])
    known = known[known >= 0]
    if not len(known):
        return np.full(len(codes), -1)
    place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    return np.where(known[place] == codes, place, -1)


def _check(config: TrainConfig, device: torch.device) -> None:
    """What no section can check alone."""
    loop = config.loop
    if not config.data.source:
        raise InputError("data.source is empty: name a manifest, a folder, shards or a store of labelled pictures")
    if loop.precision == "fp16" and device.type == "cpu":
        raise InputError("loop.precision is fp16 and the device a CPU: use bf16 or fp32 there")
    if loop.monitor not in SCORES:
        raise InputError(f"loop.monitor is {loop.monitor!r}: expected one of {', '.join(SCORES)}")
    if config.data.read == "stream" and config.model.lock_image_cached:
        raise InputError("data.read is stream and model.lock_image_cached reads no pictures: set data.read = random")
    if config.model.blend_shares:
        return  # what is exported is chosen among shares, not by a score of the loop
    if loop.monitor.startswith("zero_shot") and not config.objective.has_texts:
        raise InputError(f"loop.monitor is {loop.monitor!r}, but no objective trains texts: monitor one_shot")
    part = "held_out_images" if loop.monitor == "zero_shot_images" else "held_out_species"
    if not getattr(config.data, part) and (config.data.held_out_species or config.data.held_out_images):
        raise InputError(f"loop.monitor is {loop.monitor!r}, but data.{part} is 0: hold some out, or monitor another")


def _device(config: TrainConfig, group: Group) -> torch.device:
    wanted, there = config.loop.device, torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise InputError("loop.device is cuda, and no CUDA device was found: set it to cpu or auto")
    if wanted == "cpu" or not there:
        return torch.device("cpu")
    torch.cuda.set_device(group.local)
    return torch.device("cuda", group.local)


def _start_features(
    towers: Towers, examples: Examples, parts: Split, config: TrainConfig, group: Group
) -> tuple[Float32[np.ndarray, "m p"], Int[np.ndarray, " m"]]:
    """Pooled features of training pictures by the backbone that the run starts from, of `MAX_START_PICTURES` at most, and their rows."""
    rows = np.random.default_rng(config.seed).permutation(parts.train)[:MAX_START_PICTURES]
    towers.eval()
    return encode_examples(
        towers, examples, np.sort(rows), workers=config.data.workers, autocast=nullcontext, pooled=True, group=group
    )


def _whiten(
    towers: Towers,
    examples: Examples,
    config: TrainConfig,
    start: Callable[[], tuple[Float32[np.ndarray, "m p"], Int[np.ndarray, " m"]]],
) -> None:
    """Start the projection as whitening of the backbone's features of training pictures."""
    if not isinstance(towers.projection, torch.nn.Linear) or towers.projection.bias is None:
        raise InputError(
            "model.projection is whitened, which needs a projection with a bias; this model has none: use random"
        )
    features, kept = start()
    weight, bias = whitened_projection(
        features, examples.classes()[kept], towers.projection.out_features, shrinkage=config.model.shrinkage
    )
    with torch.no_grad():
        towers.projection.weight.copy_(torch.from_numpy(weight))
        towers.projection.bias.copy_(torch.from_numpy(bias))


def _start_head(
    criterion: Criterion,
    towers: Towers,
    examples: Examples,
    parts: Split,
    classes: ByClass,
    config: TrainConfig,
    group: Group,
) -> None:
    """Let the head over classes start as the mean vectors of their training pictures; that of a class without one that can be read is drawn."""
    assert criterion.head is not None
    towers.eval()
    vectors, kept = encode_examples(
        towers, examples, parts.train, workers=config.data.workers, autocast=nullcontext, group=group
    )
    if not len(kept):
        raise InputError(f"none of {len(parts.train)} pictures could be read: check that the files are where they were")
    sums, counts = class_sums(vectors, classes[kept])
    there = np.flatnonzero(counts)
    with torch.no_grad():
        criterion.head.weight[torch.from_numpy(there)] = torch.from_numpy(normalise(sums[there]).astype(np.float32)).to(
            criterion.head.weight.device
        )
