"""What a torch model says of how it makes a vector, beside the values of its weights.

Two models can hold the same weights and still give other vectors: by pooling the mean or the maximum, by QuickGELU or GELU,
by padding as TensorFlow does. What is read here from the model as it was built goes into its `EncoderCard`.
"""

import hashlib
from collections.abc import Mapping

import torch

from cladescope.embedding.encoder import PrecisionClass

_IDLE = frozenset({"Identity", "Dropout", "DropPath", "PatchDropout", "Flatten"})
"""Layers that change nothing when a trained model computes."""
_EPS = 1e-5
PROBE_TEXT = "A photo of PARUS major (L., 1758) × Café-crème! #7 " * 16
"""A text whose tokens show case, accents, punctuation and where a long text is cut."""
_PRECISIONS: Mapping[torch.dtype, PrecisionClass] = {torch.float32: "fp32", torch.bfloat16: "bf16"}


def pooling_of(side: torch.nn.Module) -> str:
    """How the features of a picture become one vector, in the library's own words; `none` where no layer says.

    >>> import timm
    >>> pooling_of(timm.create_model("test_byobnet", num_classes=0, global_pool="max"))
    'max'
    """
    found = set()
    for module in side.modules():
        for name in ("pool_type", "global_pool"):
            value = getattr(module, name, None)
            found |= {value} if isinstance(value, str) and value else set()
        kind = type(module).__name__
        found |= {kind} if "attention" in kind.lower() and "pool" in kind.lower() else set()
    return "+".join(sorted(found)) or "none"


def layers_of(side: torch.nn.Module) -> str:
    """Kinds of layers that hold no weights or pad in a way of their own, and settings that the shapes of weights do not show.

    These are the number of attention heads, an approximated GELU, the eps of a layer normalisation where it is not torch's
    own 1e-05, and the place of the last normalisation.

    >>> layers_of(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.GELU(), torch.nn.Dropout()))
    'GELU'
    """
    found = set()
    for module in side.modules():
        kind = type(module).__name__
        alone = next(module.children(), None) is None
        weightless = next(module.parameters(recurse=False), None) is None
        if (alone and weightless and kind not in _IDLE) or kind.endswith("Same"):
            found.add(kind if getattr(module, "approximate", "none") == "none" else f"{kind} {module.approximate}")
        if isinstance(heads := getattr(module, "num_heads", None), int):
            found.add(f"heads {heads}")
        if "LayerNorm" in kind and module.eps != _EPS:
            found.add(f"eps {module.eps:g}")
        if getattr(module, "final_ln_after_pool", False):
            found.add("final_ln_after_pool")
    return "+".join(sorted(found)) or "none"


def text_side_of(model: torch.nn.Module, tokens: torch.Tensor) -> str:
    """How an open_clip model makes a vector of a text: its layers, which token it takes, what a token sees, and its tokenizer.

    `tokens` are those of `PROBE_TEXT`; a short hash of them stands for the tokenizer and its settings.
    """
    side = getattr(model, "text", None)
    side = model if side is None else side
    tower = getattr(side, "transformer", side)
    pooling = next(
        (str(kind) for name in ("pool_type", "text_pool_type") if (kind := getattr(side, name, None))), "none"
    )
    mask = "causal" if getattr(side, "attn_mask", None) is not None else "open"
    hashed = hashlib.blake2b(tokens.cpu().numpy().astype("<i8").tobytes(), digest_size=4).hexdigest()
    return f"{layers_of(tower)}, {pooling}, {mask}, tokens {hashed}"


def projection_of(side: torch.nn.Module) -> str:
    """The last map into the vectors' space; `none` where the vector is the pooled feature itself.

    >>> projection_of(torch.nn.Linear(3, 2))
    'none'
    """
    last = getattr(side, "proj", None)
    if isinstance(last, torch.nn.Parameter):
        return f"linear {last.shape[0]} to {last.shape[1]}"
    head = getattr(side, "head", None)
    if isinstance(head, torch.nn.Sequential):
        names = [name for name, _ in head.named_children() if name in ("proj", "mlp")]
        sizes = [tuple(weights.shape) for weights in head.parameters() if weights.ndim == 2]
        if names and sizes:
            return f"{'mlp' if 'mlp' in names else 'linear'} {sizes[0][1]} to {sizes[-1][0]}"
    return "none"


def precision_of(dtype: torch.dtype) -> PrecisionClass:
    """The class of numbers that weights and features are computed in.

    >>> precision_of(torch.bfloat16)
    'bf16'
    """
    return _PRECISIONS[dtype]
