"""Two heads of biobench: a layer norm and a linear layer by AdamW, and the vote of five neighbours.

`src/biobench/linear_probing.py` and `beluga` of github.com/samuelstevens/biobench (Stevens 2025, https://arxiv.org/abs/2511.16315).
"""

import numpy as np
from jaxtyping import Float, Int

from cladescope.analysis.benchmark.trait_heads import scaled
from cladescope.arrays import normalise

LAYER_NORM, NEIGHBOURS = "layer-norm", "5-nn"
N_STEPS, BATCH, RATE, DECAY = 10_000, 2048, 3e-4, 1e-2
N_NEIGHBOURS = 5


def layer_norm_answers(
    train: Float[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    test: Float[np.ndarray, "m d"],
    *,
    n_steps: int = N_STEPS,
    batch: int = BATCH,
    seed: int = 0,
) -> Int[np.ndarray, " m"]:
    """The class of each test picture by a layer norm and a linear layer: cross-entropy, AdamW, the rate down a cosine to a hundredth.

    Weight decay is of the matrix alone. In 32-bit numbers, where biobench mixes 16-bit ones. Equal seeds give equal answers on one machine.
    """
    import torch

    names, number = np.unique(classes, return_inverse=True)
    given, asked, wanted = torch.from_numpy(scaled(train)), torch.from_numpy(scaled(test)), torch.from_numpy(number)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = torch.nn.Sequential(torch.nn.LayerNorm(given.shape[1]), torch.nn.Linear(given.shape[1], len(names)))
        decayed = [one for one in head.parameters() if one.ndim > 1]
        free = [one for one in head.parameters() if one.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": DECAY}, {"params": free, "weight_decay": 0.0}]
        optimiser = torch.optim.AdamW(groups, lr=RATE)
        loss, step = torch.nn.CrossEntropyLoss(), 0
        while step < n_steps:
            for rows in torch.split(torch.randperm(len(given)), batch)[: n_steps - step]:
                rate = RATE * 0.01 + 0.5 * RATE * 0.99 * (1 + np.cos(step / n_steps * np.pi))
                for group in optimiser.param_groups:
                    group["lr"] = rate
                optimiser.zero_grad()
                loss(head(given[rows]), wanted[rows]).backward()
                optimiser.step()
                step += 1
    with torch.no_grad():
        best = head(asked).argmax(dim=1).numpy()
    return np.asarray(names[best], np.int64)


def neighbour_answers(vectors: Float[np.ndarray, "n d"], classes: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """For each picture the class that most of its five nearest others have; of equally many the smallest.

    scikit-learn's `KNeighborsClassifier`, asked without itself, on vectors of unit length.

    >>> vectors = np.array([[1.0, 0.0], [0.9, 0.1], [0.8, 0.1], [0.0, 1.0], [0.1, 1.0], [0.1, 0.9], [0.2, 0.9]])
    >>> neighbour_answers(vectors, np.array([4, 4, 4, 9, 9, 9, 9]))
    array([9, 9, 9, 9, 9, 9, 9])
    """
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(n_neighbors=min(N_NEIGHBOURS, len(vectors) - 1)).fit(normalise(vectors), classes)
    return np.asarray(model.predict(None), np.int64)
