"""Curation: raw sources into a clean, deduplicated, leak-free and documented data set."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.curation import Curated
from cladescope.app.verbs.curation import curate as run
from cladescope.app.verbs.ray_cluster import connected
from cladescope.app.verbs.ray_pieces import spread_on_ray
from cladescope.errors import InputError
from cladescope.paths import local_path
from cladescope.training.curation.config import CurateConfig, load_config


@checked
def curate(
    config: str | Path | CurateConfig,
    *,
    out: str | Path,
    set: Mapping[str, Any] | None = None,
    redo: str | None = None,
    executor: Literal["local", "ray"] = "local",
) -> Curated:
    """Build a data set for training from raw sources: names, filters, duplicates, splits, shards, catalogue and data card.

    `config` is a TOML file or a configuration; `set` replaces settings by dotted keys, such as `{"splits.val": 0.1}`. `out` is a new
    folder, or one of a curation that was cut short, which goes on. `redo` names a stage to make anew, with all that follow. The
    `executor` `ray` looks at pictures, encodes them and writes shards as tasks of the Ray cluster at `RAY_ADDRESS`, each node of which must see sources and `out` at
    the same address; it changes no byte.

    Raises InputError for a configuration, sources or lists that cannot be used and where Ray is not installed, ConfigError with all that is wrong in the configuration, UsageError for a stage
    that there is not; EncoderError where the encoder cannot be loaded; InUseError where another process curates into the folder; StoreError where the disk is full.

    >>> import cladescope
    >>> cladescope.curate("tree.toml", out="tree").n_pictures      # doctest: +SKIP
    10065576
    """
    from cladescope.embedding.encoder import Encoder

    if not isinstance(config, CurateConfig):
        config = load_config(local_path(config), set)
    elif set:
        raise InputError(f"a CurateConfig is whole: put {next(iter(set))} into it")
    if executor == "ray":
        connected()  # before a stage is deleted that is made anew
    spread = spread_on_ray if executor == "ray" else None
    return run(config, local_path(out), load_encoder=Encoder.load, redo=redo, spread=spread)


@checked
def trace(ids: str | Sequence[str], *, out: str | Path) -> list[dict[str, Any]]:
    """All that is known of pictures of a curated data set, from the shard back to the row of the source that they came from.

    `ids` are ids of the catalogue (`uuid`), ids or places in a source, or `SOURCE/` and one of these; records that were dropped are found, too. `out` is the folder of the
    data set.

    Raises InputError for an id that is not there, with the nearest, and where the folder is none of a curation.

    >>> import cladescope
    >>> cladescope.trace("3f2504e0-4f89-41d3-9a0c-0305e82c3301", out="tree")[0]["split"]      # doctest: +SKIP
    'train'
    """
    from cladescope.training.curation.trace import trace as traced

    return traced(local_path(out), [ids] if isinstance(ids, str) else list(ids))
