"""What training minimises, as functions over features, logits and labels: no state, no device, no process.

Features of pictures and texts are of unit length, row i of both belongs together, and `scale` is the inverse
temperature. Codes say which rows are of one taxon; -1 stands for an unknown one, which equals no other. Similarities
and logarithms are taken in float32 whatever the features came in, and in float64 where these are; b rows need about
24 b b bytes with gradients.
"""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch.nn import functional

Scalar: TypeAlias = Float[torch.Tensor, ""] | float


def info_nce(
    image: Float[torch.Tensor, "b d"], text: Float[torch.Tensor, "b d"], scale: Scalar
) -> Float[torch.Tensor, ""]:
    """Symmetric contrastive loss: each picture picks its text among all of the batch, and each text its picture.

    Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision,
    https://arxiv.org/abs/2103.00020. A batch of one has loss 0.

    >>> round(float(info_nce(torch.eye(2), torch.eye(2), 1.0)), 4)
    0.3133
    """
    return _own_pairs(_similarity(image, text, scale))


def info_nce_without_same_taxon(
    image: Float[torch.Tensor, "b d"], text: Float[torch.Tensor, "b d"], scale: Scalar, *, taxa: Int[torch.Tensor, " b"]
) -> Float[torch.Tensor, ""]:
    """`info_nce` in which no picture or text is held against another of its taxon.

    Pairs of different rows with the same taxon leave the denominators. BioCLIP keeps them, so that rows with the very
    same text count as wrong. The idea is that of Khosla et al. 2020, Supervised Contrastive Learning,
    https://arxiv.org/abs/2004.11362, without their added positives.

    >>> parted = info_nce_without_same_taxon(torch.eye(2), torch.eye(2), 1.0, taxa=torch.tensor([5, 5]))
    >>> float(parted)
    0.0
    """
    other_of_taxon = _same_taxon(taxa).fill_diagonal_(False)
    return _own_pairs(_similarity(image, text, scale).masked_fill(other_of_taxon, -torch.inf))


def info_nce_with_same_taxon_positive(
    image: Float[torch.Tensor, "b d"], text: Float[torch.Tensor, "b d"], scale: Scalar, *, taxa: Int[torch.Tensor, " b"]
) -> Float[torch.Tensor, ""]:
    """Symmetric contrastive loss in which a picture shares its target equally among all texts of its taxon, and a text
    among all pictures.

    Yang et al. 2022, Unified Contrastive Learning in Image-Text-Label Space, https://arxiv.org/abs/2204.03610.

    >>> shared = info_nce_with_same_taxon_positive(torch.eye(2), torch.eye(2), 1.0, taxa=torch.tensor([5, 5]))
    >>> round(float(shared), 4)
    0.8133
    """
    logits = _similarity(image, text, scale)
    target = _positive(taxa).to(logits.dtype)
    target = target / target.sum(dim=1, keepdim=True)
    # The target is symmetric before it is divided, so it serves both directions.
    to_text = functional.cross_entropy(logits, target)
    to_image = functional.cross_entropy(logits.T, target)
    return (to_text + to_image) / 2


def level_restricted(
    image: Float[torch.Tensor, "b d"],
    level_text: Sequence[Float[torch.Tensor, "_ d"]],
    level_index: Sequence[Int[torch.Tensor, " b"]],
    scale: Scalar,
) -> Float[torch.Tensor, ""]:
    """Contrastive losses of pictures against the different labels of each taxonomic rank, summed over the ranks.

    At each rank `level_text` holds every label once and `level_index` says which is whose, -1 where a picture has none;
    such a picture is left out of that rank, and a rank without labels adds 0. A picture picks its label among those of
    the rank, a label shares its target equally among its pictures; both directions count half. Each label weighs the
    same however many pictures it has, and labels without a picture are only there to be told apart.

    Tao et al. 2026, Beyond Flat Labels, https://arxiv.org/abs/2606.21838, as published in
    https://github.com/Imageomics/bioclip-2/pull/28, in Euclidean space. Differs: theirs expects a label of every
    picture at every rank.

    >>> labels, own = torch.eye(2), torch.tensor([0, 1, -1])
    >>> round(float(level_restricted(torch.eye(2)[[0, 1, 1]], [labels], [own], 1.0)), 4)
    0.3133
    """
    losses = [_one_level(image, text, own, scale) for text, own in zip(level_text, level_index, strict=True)]
    return torch.stack(losses).sum()


def siglip(
    image: Float[torch.Tensor, "b d"],
    text: Float[torch.Tensor, "b d"],
    scale: Scalar,
    bias: Scalar,
    *,
    taxa: Int[torch.Tensor, " b"] | None = None,
) -> Float[torch.Tensor, ""]:
    """Sigmoid loss: every picture and text is asked on its own whether they belong together; the sum over pairs by b.

    Zhai et al. 2023, Sigmoid Loss for Language Image Pre-Training, https://arxiv.org/abs/2303.15343. With `taxa`, pairs
    of one taxon belong together too, which is not in the paper.

    >>> round(float(siglip(torch.eye(2), torch.eye(2), 1.0, 0.0)), 4)
    1.0064
    """
    logits = _similarity(image, text, scale) + bias
    belongs = _diagonal(len(image), image.device) if taxa is None else _positive(taxa)
    return -functional.logsigmoid(torch.where(belongs, logits, -logits)).sum() / len(image)


def cross_entropy(
    logits: Float[torch.Tensor, "b c"], classes: Int[torch.Tensor, " b"], *, label_smoothing: float = 0.0
) -> Float[torch.Tensor, ""]:
    """Mean cross-entropy over the rows that have a class, 0 where none has; -1 stands for no class.

    `label_smoothing` is the share of the target that is spread over all classes: Szegedy et al. 2016, Rethinking the
    Inception Architecture, https://arxiv.org/abs/1512.00567.

    >>> round(float(cross_entropy(torch.zeros(2, 4), torch.tensor([3, -1]))), 4)
    1.3863
    """
    total = functional.cross_entropy(
        _widened(logits), classes.long(), ignore_index=-1, reduction="sum", label_smoothing=label_smoothing
    )
    return total / (classes >= 0).sum().clamp(min=1)


def hierarchical_cross_entropy(
    logits: Sequence[Float[torch.Tensor, "b _"]],
    codes: Int[torch.Tensor, "b r"],
    *,
    weights: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
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
        weight * cross_entropy(of_rank, code, label_smoothing=label_smoothing)
        for weight, of_rank, code in zip(weights, logits, codes.unbind(dim=1), strict=True)
    ]
    return torch.stack(losses).sum()


def replay(
    image: Float[torch.Tensor, "b d"],
    text: Float[torch.Tensor, "b d"],
    replay_image: Float[torch.Tensor, "r d"],
    replay_text: Float[torch.Tensor, "r d"],
    scale: Scalar,
    *,
    weight: float = 1.0,
) -> Float[torch.Tensor, ""]:
    """`info_nce` of two streams that are never held against each other, the second times `weight`.

    The second stream rehearses what the model knew before. Gu et al. 2025, BioCLIP 2, https://arxiv.org/abs/2505.23883,
    where weight is 1 and pictures of the second stream have a projection of their own.

    >>> round(float(replay(torch.eye(2), torch.eye(2), torch.eye(2), torch.eye(2), 1.0, weight=0.5)), 4)
    0.4699
    """
    return info_nce(image, text, scale) + weight * info_nce(replay_image, replay_text, scale)


def _one_level(
    image: Float[torch.Tensor, "b d"], text: Float[torch.Tensor, "m d"], own: Int[torch.Tensor, " b"], scale: Scalar
) -> Float[torch.Tensor, ""]:
    has_label = own >= 0
    logits, own = _similarity(image[has_label], text, scale), own[has_label]
    if logits.numel() == 0:
        return logits.sum()  # zero, with a gradient
    member = functional.one_hot(own.long(), len(text)).to(logits.dtype)
    size = member.sum(dim=0)
    share = member / size.clamp(min=1) / (size > 0).sum()
    return -(share * (logits.log_softmax(dim=1) + logits.log_softmax(dim=0))).sum() / 2


def _own_pairs(logits: Float[torch.Tensor, "b b"]) -> Float[torch.Tensor, ""]:
    own = torch.arange(len(logits), device=logits.device)
    return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2


def _similarity(
    image: Float[torch.Tensor, "n d"], text: Float[torch.Tensor, "m d"], scale: Scalar
) -> Float[torch.Tensor, "n m"]:
    """Scaled inner products in full precision, also where the caller lets torch choose a lower one."""
    with torch.autocast(image.device.type, enabled=False):
        return scale * (_widened(image) @ _widened(text).T)


def _widened(values: Float[torch.Tensor, "n m"]) -> Float[torch.Tensor, "n m"]:
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _same_taxon(taxa: Int[torch.Tensor, " b"]) -> Bool[torch.Tensor, "b b"]:
    return (taxa[:, None] == taxa) & (taxa[:, None] >= 0)


def _positive(taxa: Int[torch.Tensor, " b"]) -> Bool[torch.Tensor, "b b"]:
    return _same_taxon(taxa) | _diagonal(len(taxa), taxa.device)


def _diagonal(n: int, device: torch.device) -> Bool[torch.Tensor, "n n"]:
    return torch.eye(n, dtype=torch.bool, device=device)
