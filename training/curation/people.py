"""People in pictures, by the answers of detectors that were run before."""

import pyarrow as pa

from cladescope.training.curation.job import Job


class Detections:
    """All detections of a configuration."""

    @classmethod
    def read(cls, job: Job) -> "Detections":
        """Read them."""
        raise NotImplementedError


def people_of(detections: Detections, rows: pa.Table) -> tuple[list[list[str] | None], list[float | None], int]:
    """What was found in each picture of a table with `id`, `image_id` and `uri`: kinds, the best score, and how many pictures were looked at."""
    raise NotImplementedError
