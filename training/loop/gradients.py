"""Gradient caching: the gradient of a large batch in the memory of a small one.

A contrastive loss compares every picture with every text, so a batch cannot simply be cut in parts. Gao et al. 2021,
Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup, https://arxiv.org/abs/2101.06983: encode in
chunks without keeping activations, take the gradient of the loss with respect to the features, then encode each chunk
again and pull that gradient through it. The gradient is that of the whole batch, for one more forward pass.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float


class ChunkedFeatures:
    """The features of one side of a batch, pictures or texts, made in chunks: the features now, the gradient later."""

    def __init__(
        self, encode: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor, *, chunk_size: int = 0
    ) -> None:
        """Encode `inputs`: at once with a graph, or, with `chunk_size`, in chunks without one.

        `encode` must treat each row alone (no batch statistics); randomness such as dropout is replayed.
        """
        self._encode = encode
        self._chunks = torch.split(inputs, chunk_size) if chunk_size else ()
        self._states: list[_RandomState] = []
        if not self._chunks:
            self.features: Float[torch.Tensor, "n d"] = encode(inputs)
            return
        with torch.no_grad():
            parts = []
            for chunk in self._chunks:
                self._states.append(_RandomState(inputs.device))
                parts.append(encode(chunk))
        self.features = torch.cat(parts).requires_grad_()

    def backward(self) -> None:
        """After the loss's own backward pass: pull the gradient of the features into the weights, chunk by chunk."""
        if not self._chunks or self.features.grad is None:
            return
        gradients = torch.split(self.features.grad, [len(chunk) for chunk in self._chunks])
        after = _RandomState(self.features.device)
        for chunk, gradient, state in zip(self._chunks, gradients, self._states, strict=True):
            state.restore()
            features = self._encode(chunk)
            if not features.requires_grad:  # a locked side
                break
            torch.autograd.backward(features, gradient)
        after.restore()


class _RandomState:
    """State of torch's generators on the CPU and on one device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cpu = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def restore(self) -> None:
        torch.set_rng_state(self._cpu)
        if self._cuda is not None:
            torch.cuda.set_rng_state(self._cuda, self._device)
