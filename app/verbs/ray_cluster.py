"""The Ray cluster that shards and pieces of work are sent to."""

import os
from typing import Any

from cladescope.errors import InputError
from cladescope.packages import not_installed


def connected() -> Any:
    """The package Ray, connected to the cluster at `RAY_ADDRESS`, or to one that is started here. Raises InputError where it is not installed."""
    try:
        import ray
    except ImportError as error:
        raise InputError(not_installed("ray")) from error
    if not ray.is_initialized():
        ray.init(address=os.environ.get("RAY_ADDRESS"), log_to_driver=False, include_dashboard=False)
    return ray
