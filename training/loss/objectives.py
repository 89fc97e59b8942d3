"""What training minimises, as functions over features, logits and labels: no state, no device, no process.

Features of pictures and texts are of unit length, row i of both belongs together, and `scale` is the inverse
temperature. Codes say which rows are of one taxon; -1 stands for an unknown one, which equals no other. Similarities
and logarithms are taken in float32 whatever the features came in, and in float64 where these are.

Every loss is a sum over rows, of which `rows` names some: only their part is computed, against all columns, and parts
that cover the batch add up to the loss. So several processes share it, as open_clip's do with `local_loss` and
`gather_with_grad`. Rows are compared in blocks of about `BLOCK_NUMBERS` numbers, which the backward pass computes again:
b features of length d take at most 40 `BLOCK_NUMBERS` + 24 b d bytes, however many rows there are.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

Scalar: TypeAlias = Float[torch.Tensor, ""] | float
OfRows: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""The summed loss of some rows, from their scores with all columns and their places."""

BLOCK_NUMBERS = 1 << 24
"""Scores of a block, at least those of one row."""


def info_nce(
    image: Float[torch.Tensor, "b d"], text: Float[torch.Tensor, "b d"], scale: Scalar, *, rows: slice | None = None
) -> Float[torch.Tensor, ""]:
    """Symmetric contrastive loss: each picture picks its text among all of the batch, and each text its picture.

    Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision,
    https://arxiv.org/abs/2103.00020. A batch of one has loss 0.

    >>> round(float(info_nce(torch.eye(2), torch.eye(2), 1.0)), 4)
    0.3133
    >>> round(float(info_nce(torch.eye(2), torch.eye(2), 1.0, rows=slice(0, 1))), 4)
    0.1566
    """

    def of_rows(logits: Float[torch.Tensor, "n b"], places: Int[torch.Tensor, " n"]) -> Float[torch.Tensor, ""]:
        return functional.cross_entropy(logits, places, reduction="sum")

    return _both_ways(image, text, scale, rows, of_rows)


def info_nce_without_same_taxon(
    image: Float[torch.Tensor, "b d"],
    text: Float[torch.Tensor, "b d"],
    scale: Scalar,
    *,
    taxa: Int[torch.Tensor, " b"],
    rows: slice | None = None,
) -> Float[torch.Tensor, ""]:
    """`info_nce` in which no picture or text is held against another of its taxon.

    Pairs of different rows with the same taxon leave the denominators. BioCLIP keeps them, so that rows with the very
    same text count as wrong. The idea is that of Khosla et al. 2020, Supervised Contrastive Learning,
    https://arxiv.org/abs/2004.11362, without their added positives.

    >>> parted = info_nce_without_same_taxon(torch.eye(2), torch.eye(2), 1.0, taxa=torch.tensor([5, 5]))
    >>> float(parted)
    0.0
    """

    def of_rows(logits: Float[torch.Tensor, "n b"], places: Int[torch.Tensor, " n"]) -> Float[torch.Tensor, ""]:
        others_of_taxon = _same_taxon(taxa, places) & ~_own(taxa, places)
        return functional.cross_entropy(logits.masked_fill(others_of_taxon, -torch.inf), places, reduction="sum")

    return _both_ways(image, text, scale, rows, of_rows)


def info_nce_with_same_taxon_positive(
    image: Float[torch.Tensor, "b d"],
    text: Float[torch.Tensor, "b d"],
    scale: Scalar,
    *,
    taxa: Int[torch.Tensor, " b"],
    rows: slice | None = None,
) -> Float[torch.Tensor, ""]:
    """Symmetric contrastive loss in which a picture shares its target equally among all texts of its taxon, and a text
    among all pictures.

    Yang et al. 2022, Unified Contrastive Learning in Image-Text-Label Space, https://arxiv.org/abs/2204.03610.

    >>> shared = info_nce_with_same_taxon_positive(torch.eye(2), torch.eye(2), 1.0, taxa=torch.tensor([5, 5]))
    >>> round(float(shared), 4)
    0.8133
    """

    def of_rows(logits: Float[torch.Tensor, "n b"], places: Int[torch.Tensor, " n"]) -> Float[torch.Tensor, ""]:
        return _shared_target(logits, _positive(taxa, places)).sum()

    return _both_ways(image, text, scale, rows, of_rows)


def level_restricted(
    image: Float[torch.Tensor, "b d"],
    level_text: Sequence[Float[torch.Tensor, "_ d"]],
    level_index: Sequence[Int[torch.Tensor, " b"]],
    scale: Scalar,
    *,
    rows: slice | None = None,
) -> Float[torch.Tensor, ""]:
    """Contrastive losses of pictures against the different labels of each taxonomic rank, summed over the ranks.

    At each rank `level_text` holds every label once and `level_index` says which is whose, -1 where a picture has none;
    such a picture is left out of that rank, and a rank without labels adds 0. A picture picks its label among those of
    the rank, a label shares its target equally among its pictures; both directions count half. Each label weighs the
    same however many pictures it has, and labels without a picture are only there to be told apart. With `rows` the
    same share of the labels is taken as of the pictures.

    Tao et al. 2026, Beyond Flat Labels, https://arxiv.org/abs/2606.21838, as published in
    https://github.com/Imageomics/bioclip-2/pull/28, in Euclidean space. Differs: theirs expects a label of every
    picture at every rank.

    >>> labels, own = torch.eye(2), torch.tensor([0, 1, -1])
    >>> round(float(level_restricted(torch.eye(2)[[0, 1, 1]], [labels], [own], 1.0)), 4)
    0.3133
    """
    chosen = _range(rows, len(image))
    losses = [_one_level(image, text, own, scale, chosen) for text, own in zip(level_text, level_index, strict=True)]
    return torch.stack(losses).sum()


def siglip(
    image: Float[torch.Tensor, "b d"],
    text: Float[torch.Tensor, "b d"],
    scale: Scalar,
    bias: Scalar,
    *,
    taxa: Int[torch.Tensor, " b"] | None = None,
    rows: slice | None = None,
) -> Float[torch.Tensor, ""]:
    """Sigmoid loss: every picture and text is asked on its own whether they belong together; the sum over pairs by b.

    Zhai et al. 2023, Sigmoid Loss for Language Image Pre-Training, https://arxiv.org/abs/2303.15343. With `taxa`, pairs
    of one taxon belong together too, which is not in the paper.

    >>> round(float(siglip(torch.eye(2), torch.eye(2), 1.0, 0.0)), 4)
    1.0064
    """
    alike = torch.full((len(image),), -1, device=image.device) if taxa is None else taxa

    def of_rows(logits: Float[torch.Tensor, "n b"], places: Int[torch.Tensor, " n"]) -> Float[torch.Tensor, ""]:
        logits = logits + bias
        return -functional.logsigmoid(torch.where(_positive(alike, places), logits, -logits)).sum()

    return _by_blocks(image, text, scale, _places(rows, image), of_rows) / len(image)


def cross_entropy(
    logits: Float[torch.Tensor, "n c"],
    classes: Int[torch.Tensor, " b"],
    *,
    label_smoothing: float = 0.0,
    rows: slice | None = None,
) -> Float[torch.Tensor, ""]:
    """Mean cross-entropy over the rows that have a class, 0 where none has; -1 stands for no class.

    Logits are those of `rows` alone, classes those of all. `label_smoothing` is the share of the target that is spread
    over all classes: Szegedy et al. 2016, Rethinking the Inception Architecture, https://arxiv.org/abs/1512.00567.

    >>> round(float(cross_entropy(torch.zeros(2, 4), torch.tensor([3, -1]))), 4)
    1.3863
    """
    own = classes if rows is None else classes[rows]
    total = functional.cross_entropy(
        _widened(logits), own.long(), ignore_index=-1, reduction="sum", label_smoothing=label_smoothing
    )
    return total / (classes >= 0).sum().clamp(min=1)


def distillation(
    foretold: Float[torch.Tensor, "n t"], taught: Float[torch.Tensor, "n t"], *, n_pictures: int
) -> Float[torch.Tensor, ""]:
    """Part of some rows in the mean cosine distance, over `n_pictures`, of what is foretold from what is taught.

    Ranzinger et al. 2023, AM-RADIO, https://arxiv.org/abs/2312.06709, section 3.3. A row of zeros adds a constant and has no gradient.

    >>> float(distillation(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.eye(2), n_pictures=2))
    0.0
    """
    cosines = functional.cosine_similarity(_widened(foretold), _widened(taught), dim=1)
    return (1 - cosines).sum() / n_pictures


def hierarchical_cross_entropy(
    logits: Sequence[Float[torch.Tensor, "n _"]],
    codes: Int[torch.Tensor, "b r"],
    *,
    weights: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
    rows: slice | None = None,
) -> Float[torch.Tensor, ""]:
    """Weighted sum of one `cross_entropy` a rank, from logits of r heads; without `weights` each rank counts once.

    The mean at each rank is over the rows that have a taxon there, so a rank without any adds 0. The baseline of Stevens
    et al. 2024, BioCLIP, https://arxiv.org/abs/2311.18803.

    >>> heads = [torch.zeros(2, 2), torch.zeros(2, 4)]
    >>> round(float(hierarchical_cross_entropy(heads, torch.tensor([[0, -1], [1, -1]]))), 4)
    0.6931
    """
    weights = [1.0] * len(logits) if weights is None else weights
    losses = [
        weight * cross_entropy(of_rank, code, label_smoothing=label_smoothing, rows=rows)
        for weight, of_rank, code in zip(weights, logits, codes.unbind(dim=1), strict=True)
    ]
    return torch.stack(losses).sum()


def _one_level(
    image: Float[torch.Tensor, "b d"],
    text: Float[torch.Tensor, "m d"],
    own: Int[torch.Tensor, " b"],
    scale: Scalar,
    rows: range,
) -> Float[torch.Tensor, ""]:
    """The part of some pictures, and of as great a share of the labels, in the loss of one rank."""
    labelled = own >= 0
    pictures, label_of = image[labelled], own[labelled].long()
    size = torch.bincount(label_of, minlength=len(text))
    n_present = (size > 0).sum().clamp(min=1)

    def to_label(logits: Float[torch.Tensor, "n m"], places: Int[torch.Tensor, " n"]) -> Float[torch.Tensor, ""]:
        labels = label_of[places]
        return (functional.cross_entropy(logits, labels, reduction="none") / size[labels]).sum()

    def to_pictures(logits: Float[torch.Tensor, "n p"], places: Int[torch.Tensor, " n"]) -> Float[torch.Tensor, ""]:
        return _shared_target(logits, label_of == places[:, None]).sum()

    before = labelled.cumsum(0)
    row = torch.arange(len(image), device=image.device)[labelled]
    mine = (before[row] - 1)[(row >= rows.start) & (row < rows.stop)]
    first, last = (len(text) * end // max(len(image), 1) for end in (rows.start, rows.stop))
    labels = first + size[first:last].nonzero().squeeze(1)
    total = _by_blocks(pictures, text, scale, mine, to_label) + _by_blocks(text, pictures, scale, labels, to_pictures)
    return total / (2 * n_present)


def _both_ways(
    image: Float[torch.Tensor, "b d"],
    text: Float[torch.Tensor, "b d"],
    scale: Scalar,
    rows: slice | None,
    of_rows: OfRows,
) -> Float[torch.Tensor, ""]:
    """Mean over both directions and all rows of a loss of pictures among texts and of texts among pictures."""
    places = _places(rows, image)
    total = _by_blocks(image, text, scale, places, of_rows) + _by_blocks(text, image, scale, places, of_rows)
    return total / (2 * len(image))


def _by_blocks(
    features: Float[torch.Tensor, "n d"],
    columns: Float[torch.Tensor, "m d"],
    scale: Scalar,
    places: Int[torch.Tensor, " k"],
    of_rows: OfRows,
) -> Float[torch.Tensor, ""]:
    """The summed loss of the rows at some places, a block of them at a time, whose scores are not kept."""

    def one(block: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        return of_rows(_similarity(block, columns, scale), at)

    own, size = features[places], max(1, BLOCK_NUMBERS // max(1, len(columns)))
    if not own.numel() or not columns.numel():
        return _similarity(own, columns, scale).sum()  # zero, with a gradient
    if len(own) <= size:
        return one(own, places)
    blocks = zip(torch.split(own, size), torch.split(places, size), strict=True)
    losses = [checkpoint(one, block, at, use_reentrant=False, preserve_rng_state=False) for block, at in blocks]
    return torch.stack(losses).sum()


def _shared_target(
    logits: Float[torch.Tensor, "n b"], positive: Bool[torch.Tensor, "n b"]
) -> Float[torch.Tensor, " n"]:
    """Cross-entropy of each row with a target that its positives, at least one, share equally."""
    return logits.logsumexp(dim=1) - torch.where(positive, logits, 0).sum(dim=1) / positive.sum(dim=1)


def _similarity(
    image: Float[torch.Tensor, "n d"], text: Float[torch.Tensor, "m d"], scale: Scalar
) -> Float[torch.Tensor, "n m"]:
    """Scaled inner products in full precision, also where the caller lets torch choose a lower one."""
    with torch.autocast(image.device.type, enabled=False):
        return scale * (_widened(image) @ _widened(text).T)


def _widened(values: Float[torch.Tensor, "n m"]) -> Float[torch.Tensor, "n m"]:
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _range(rows: slice | None, n: int) -> range:
    """The rows that are meant, of n."""
    return range(n)[slice(None) if rows is None else rows]


def _places(rows: slice | None, features: Float[torch.Tensor, "n d"]) -> Int[torch.Tensor, " k"]:
    chosen = _range(rows, len(features))
    return torch.arange(chosen.start, chosen.stop, device=features.device)


def _same_taxon(taxa: Int[torch.Tensor, " b"], places: Int[torch.Tensor, " n"]) -> Bool[torch.Tensor, "n b"]:
    own = taxa[places, None]
    return (own == taxa) & (own >= 0)


def _own(taxa: Int[torch.Tensor, " b"], places: Int[torch.Tensor, " n"]) -> Bool[torch.Tensor, "n b"]:
    return places[:, None] == torch.arange(len(taxa), device=taxa.device)


def _positive(taxa: Int[torch.Tensor, " b"], places: Int[torch.Tensor, " n"]) -> Bool[torch.Tensor, "n b"]:
    return _same_taxon(taxa, places) | _own(taxa, places)
