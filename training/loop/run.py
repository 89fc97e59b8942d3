"""A run: what it holds, and how it is saved and taken up again. How it starts is in `cladescope.training.loop.prepare`."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32

from cladescope.errors import InputError
from cladescope.index.files import disk_errors, locked
from cladescope.training.config import TrainConfig
from cladescope.training.data.by_class import ByClass
from cladescope.training.data.columns import coded
from cladescope.training.data.examples import Examples
from cladescope.training.data.splits import Split
from cladescope.training.data.stream import ShardedRows, StreamedOrder, shuffle_hash
from cladescope.training.data.texts import Texts, Tokens
from cladescope.training.loop import checkpoint
from cladescope.training.loop.checkpoint import LAST, Progress
from cladescope.training.loop.distributed import Group
from cladescope.training.loop.evaluate import encode_examples
from cladescope.training.loop.judging import Judging
from cladescope.training.loop.optimiser import Average
from cladescope.training.loop.replay import ReplayStream
from cladescope.training.loss.criterion import Criterion
from cladescope.training.model.towers import Towers

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Run:
    """State of a run; the loop changes it."""

    config: TrainConfig
    folder: Path
    group: Group
    examples: Examples
    split: Split
    towers: Towers
    tokens: Tokens
    criterion: Criterion
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    average: Average | None
    replay: ReplayStream | None
    steps_per_epoch: int
    progress: Progress
    broken: set[int]
    codes: ByClass
    """Taxon of each example at each rank, counted among those that are trained on; -1 for none of them."""
    classes: ByClass
    """Class of each example, counted in the same way."""
    data_hash: str
    """Of what a resumed run must find again: ids, taxa and common names, in their order."""
    contents: Sequence[str | None] | None = None
    """Hash of each example's file, where files were compared."""
    taught: Float32[np.ndarray, "n t"] | None = None
    """For each example what teachers say of it."""
    features: tuple[Float32[np.ndarray, "n p"], Bool[np.ndarray, " n"]] | None = None
    """Of all examples, while the picture side is locked and they are cached, and which of them could be read."""
    scores: dict[str, float] = field(default_factory=dict)
    """Those of the last evaluation, by which checkpoints are compared."""
    seen: int = 0
    """Pictures since the last report, and the seconds that they took."""
    busy: float = 0.0

    @cached_property
    def judging(self) -> Judging:
        """Which held-out pictures choose the checkpoint, and which say how good it is."""
        return Judging.of(self.examples, self.split, self.config.loop)

    @cached_property
    def texts(self) -> Texts:
        """The texts of the pictures' taxa."""
        return Texts(self.examples.spelt_taxa, coded(self.examples.common_names))

    @cached_property
    def sharded(self) -> ShardedRows:
        """The pictures to train on, shard by shard. Raises InputError where one lies in no shard."""
        return ShardedRows.of(self.examples, self.split.train)

    def streamed_order(self, epoch: int) -> StreamedOrder | None:
        """The order of an epoch that is one pass over shards; None where pictures are read in any order."""
        data = self.config.data
        if data.read != "stream":
            return None
        return self.sharded.epoch(
            seed=self.config.seed,
            epoch=epoch,
            buffer=data.shuffle_buffer,
            at_once=data.shards_at_once,
            process=self.group.process,
            n_processes=self.group.n_processes,
        )

    @cached_property
    def shuffle_hash(self) -> str:
        """Of how a stream is shuffled, which a run that goes on must find as it was; empty where there is none."""
        return shuffle_hash() if self.config.data.read == "stream" else ""

    @property
    def total_steps(self) -> int:
        """Steps of all epochs."""
        return self.steps_per_epoch * self.config.loop.epochs

    @property
    def is_locked(self) -> bool:
        """Whether the picture side stands still in the next step."""
        return self.config.model.lock_image or self.progress.step < self.config.model.lock_image_steps

    @property
    def is_cached(self) -> bool:
        """Whether the next step takes features that were computed once."""
        return self.is_locked and self.config.model.lock_image_cached

    def cached_features(self) -> tuple[Float32[np.ndarray, "n p"], Bool[np.ndarray, " n"]]:
        """Pooled features of unchanged training pictures, computed when first asked for, and which could be read."""
        if self.features is None:
            self.towers.eval()
            found, kept = encode_examples(
                self.towers,
                self.examples,
                self.split.train,
                workers=self.config.data.workers,
                autocast=self.autocast,
                pooled=True,
                group=self.group,
            )
            features = np.zeros((len(self.examples), found.shape[1]), np.float32)
            features[kept] = found
            self.features = features, np.isin(np.arange(len(self.examples)), kept)
        return self.features

    @property
    def batch_pictures(self) -> int:
        """Pictures a step over all processes."""
        return self.config.loop.batch_size * self.group.n_processes

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """Every weight, moving or not."""
        return [*self.towers.parameters(), *self.criterion.parameters()]

    def autocast(self) -> AbstractContextManager[object]:
        """Where a forward pass computes in the configured precision."""
        precision = self.config.loop.precision
        if precision == "fp32":
            return nullcontext()
        dtype = torch.bfloat16 if precision == "bf16" else torch.float16
        return torch.autocast(self.towers.device.type, dtype=dtype)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder of a run for one training; made if it is not there, and gone again if nothing came of it.

    Raises StoreError where another process trains in it.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, expected a folder: choose another folder")
    is_new = not folder.exists()
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder, timeout=0.0):
            yield
    finally:
        if is_new and [entry.name for entry in folder.iterdir()] == [".lock"]:
            (folder / ".lock").unlink()
            folder.rmdir()


@contextlib.contextmanager
def averaged(run: Run) -> Iterator[None]:
    """The moving average in the place of the weights and statistics, where there is one."""
    if run.average is None:
        yield
        return
    with run.average.swapped(run.towers.moving()):
        yield


def save(run: Run, name: str) -> None:
    """Write a checkpoint, in the first process. Raises StoreError where it cannot be written."""
    if not run.group.is_first:
        return
    states = {
        "towers": run.towers.state_dict(),
        "criterion": run.criterion.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "scaler": run.scaler.state_dict(),
        "average": None if run.average is None else run.average.state_dict(),
        "scores": run.scores,
        "data_hash": run.data_hash,
        "n_processes": run.group.n_processes,
        "shuffle_hash": run.shuffle_hash,
    }
    path = run.folder / "checkpoints" / name
    checkpoint.save(path, progress=run.progress, config=run.config, states=states)


def restore(run: Run, content: dict[str, Any]) -> None:
    """Take up the states of a checkpoint. Raises InputError where they do not fit."""
    if content["data_hash"] != run.data_hash:
        raise InputError(
            f"the pictures or names in {run.config.data.source} changed since the checkpoint in {run.folder} was written: "
            "put them back, or start a new run"
        )
    if content["n_processes"] != run.group.n_processes:
        raise InputError(
            f"the checkpoint in {run.folder} is of {content['n_processes']} process(es), this run has "
            f"{run.group.n_processes}: start as many"
        )
    if content.get("shuffle_hash", "") != run.shuffle_hash:
        raise InputError(
            f"webdataset does not shuffle as it did when the checkpoint in {run.folder} was written: install the version that was there then"
        )
    try:
        run.towers.load_state_dict(content["towers"])
        run.criterion.load_state_dict(content["criterion"])
        run.optimiser.load_state_dict(content["optimiser"])
    except (RuntimeError, ValueError) as error:
        first = " ".join(str(error).split("\n")[:2])
        raise InputError(
            f"the checkpoint in {run.folder} is of another architecture or of other classes "
            f"({' '.join(first.split())[:160]}): start a new run"
        ) from error
    run.scaler.load_state_dict(content["scaler"])
    if run.average is not None:
        run.average.load_state_dict(content["average"], run.towers.moving())
    run.scores = content["scores"]
    checkpoint.restore_random(content)


def last_good(run: Run) -> str:
    """What is left to go on from, in words."""
    last = run.folder / "checkpoints" / LAST
    if not last.exists():
        return "no checkpoint was written before"
    progress, _ = checkpoint.load(last)
    return f"the last good checkpoint, of step {progress.step}, is kept in {last}"
