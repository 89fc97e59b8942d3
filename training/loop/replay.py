"""Replay: a second stream of captioned pictures of everything, so that the encoder does not forget it.

BioCLIP 2 (Gu et al. 2025, https://arxiv.org/abs/2505.23883) trains on such a stream through a second visual projection;
its pictures are never negatives of the organisms', nor theirs of it.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from cladescope.training.config import TrainConfig
from cladescope.training.data.captions import CaptionedPictures, load_captions
from cladescope.training.data.loader import Batch, augmented, batches, n_steps
from cladescope.training.loop.distributed import Group
from cladescope.training.loop.evaluate import normalised
from cladescope.training.model.towers import Towers


@dataclass(frozen=True, eq=False)
class ReplayBatch:
    """One step of the second stream."""

    pixels: Float[torch.Tensor, "r 3 h w"]
    """Pictures of this process."""
    captions: tuple[str, ...]
    """Captions of the pictures of all processes, in the order in which their features are gathered."""
    n_replaced: int
    """Pictures of this process that could not be read, each replaced by another."""


class ReplayStream:
    """Endless batches of captioned pictures; what a step sees depends on its number alone."""

    def __init__(self, pictures: CaptionedPictures, config: TrainConfig) -> None:
        self._pictures, self._config = pictures, config
        self._stream: Generator[Batch, None, None] | None = None
        self._next = -1
        self._broken: set[int] = set()

    @classmethod
    def open(cls, config: TrainConfig) -> "ReplayStream":
        """The stream that a configuration names. Raises InputError where it cannot be used."""
        return cls(load_captions(config.objective.replay_source), config)

    def batch(self, step: int, group: Group, towers: Towers) -> ReplayBatch:
        """The batch of one step of the run."""
        size = self._config.objective.replay_batch
        steps = n_steps(len(self._pictures), batch_size=size, n_processes=group.n_processes)
        epoch, start = divmod(step, steps)
        if self._stream is None or step != self._next or start == 0:
            self.close()
            seed = self._config.seed
            order = np.random.default_rng((seed, epoch, 1)).permutation(len(self._pictures))
            self._stream = batches(
                self._pictures,
                order,
                batch_size=size,
                prepare=augmented(
                    towers.train_size,
                    self._config.augment,
                    seed=seed,
                    epoch=epoch,
                    interpolation=towers.transform.interpolation,
                ),
                workers=self._config.data.workers,
                replace_seed=seed,
                start_step=start,
                process=group.process,
                n_processes=group.n_processes,
                known_broken=self._broken,
            )
        batch = next(self._stream)
        self._next = step + 1
        rows = group.gather(torch.from_numpy(batch.rows).to(towers.device)).cpu().tolist()
        pixels = normalised(batch.pixels, towers.transform, towers.device)
        return ReplayBatch(pixels, tuple(self._pictures.captions[row] for row in rows), batch.n_replaced)

    def close(self) -> None:
        """Stop the threads that read ahead."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None
