"""The heads by which traits are told from vectors: the published one, and ridge regression.

`mlp` is that of FishNet, biobench and BioCLIP 2 (`src/evaluation/fishnet.py`, `awa2.py` of github.com/Imageomics/bioclip-2): two linear
layers with dropout between them and nothing else, binary cross-entropy, Adam, the rate halved every 20 epochs. `ridge` is scikit-learn's
`RidgeCV` of -1 and 1 on standardised numbers, its strength chosen by leaving out each training picture.
"""

import numpy as np
from jaxtyping import Float, Float64, Int

from cladescope.arrays import normalise

MLP, RIDGE = "mlp", "ridge"
SEEDS = (0, 1, 2)
RATES = {"fishnet": 1e-4, "awa2": 1e-5}
"""Of the published head, by protocol."""
EPOCHS, BATCH, HIDDEN, DROPOUT, HALVED_EVERY = 50, 256, 512, 0.5, 20
ALPHAS = tuple(2.0**power for power in range(-10, 21, 2))


def mlp_logits(
    train: Float[np.ndarray, "n d"],
    traits: Int[np.ndarray, "n a"],
    test: Float[np.ndarray, "m d"],
    *,
    rate: float,
    seed: int = 0,
    epochs: int = EPOCHS,
    batch: int = BATCH,
    dropout: float = DROPOUT,
) -> Float64[np.ndarray, "m a"]:
    """Logits of the published head after its last epoch; above 0 a trait is more likely present than absent.

    Stored vectors have unit length, the published ones had those of their encoder: they are multiplied by the root of their dimension,
    so that a number is of the order of 1. Equal seeds give equal logits on one machine. Memory: 8 n d bytes.
    """
    import torch

    given, asked = (torch.from_numpy(scaled(part)) for part in (train, test))
    wanted = torch.from_numpy(traits.astype(np.float32))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = torch.nn.Sequential(
            torch.nn.Linear(given.shape[1], HIDDEN), torch.nn.Dropout(dropout), torch.nn.Linear(HIDDEN, wanted.shape[1])
        )
        optimiser = torch.optim.Adam(head.parameters(), lr=rate)
        schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=HALVED_EVERY, gamma=0.5)
        loss = torch.nn.BCEWithLogitsLoss()
        for _ in range(epochs):
            for rows in torch.split(torch.randperm(len(given)), batch):
                optimiser.zero_grad()
                loss(head(given[rows]), wanted[rows]).backward()
                optimiser.step()
            schedule.step()
    with torch.no_grad():
        found: Float64[np.ndarray, "m a"] = head.eval()(asked).numpy().astype(np.float64)
    return found


def ridge_logits(
    train: Float[np.ndarray, "n d"], traits: Int[np.ndarray, "n a"], test: Float[np.ndarray, "m d"]
) -> Float64[np.ndarray, "m a"]:
    """Values of ridge regression on -1 and 1: above 0 a trait is present.

    >>> train, traits = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), np.array([[1], [1], [0]])
    >>> (ridge_logits(train, traits, np.array([[0.8, 0.2], [0.1, 0.9]])) > 0).ravel()
    array([ True, False])
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(normalise(train))
    model = RidgeCV(alphas=ALPHAS).fit(scaler.transform(normalise(train)), 2.0 * traits - 1)
    found = np.asarray(model.predict(scaler.transform(normalise(test))), np.float64)
    return found.reshape(len(test), traits.shape[1])


def scaled(vectors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Vectors of the length of the root of their dimension.

    >>> scaled(np.array([[3.0, 4.0]])).round(3)
    array([[0.849, 1.131]], dtype=float32)
    """
    return np.asarray(normalise(vectors) * np.sqrt(vectors.shape[1]), np.float32)
