"""A second encoder for tests, quick to load: the mean colours of a net of fields."""

import numpy as np

from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.embedding.transform import ImageTransform


class Toy(Encoder):
    """Mean colours of 4 x 4 fields of a picture cropped to 32 pixels; 48 numbers. `seen` counts the pictures."""

    def __init__(self, name="toy", fails_at=None):
        """With `fails_at` it gives up once it has seen so many pictures."""
        transform = ImageTransform(size=32, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
        self.card = EncoderCard(name=name, dim=48, weight_hash=name, transform=transform, has_text=False)
        self.seen, self._fails_at = 0, fails_at

    def encode_pixels(self, batch):
        """Vectors of unit length."""
        if self._fails_at is not None and self.seen >= self._fails_at:
            raise RuntimeError("the device is lost")
        self.seen += len(batch)
        fields = (
            batch.astype(np.float32).reshape(len(batch), 4, 8, 4, 8, 3).mean(axis=(2, 4)).reshape(len(batch), 48) + 1
        )
        return fields / np.linalg.norm(fields, axis=1, keepdims=True)
