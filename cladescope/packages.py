"""Packages that are not installed, in one line: what is missing, and the command that installs it.

`pip install cladescope` brings all that most need; an extra such as `cladescope[ray]` brings what few do; and a small installation
(docs/install.md) leaves out what naming and searching pictures with `tiny` does not need.
"""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

PACKAGES = {
    "duckdb": "duckdb", "dendropy": "dendropy", "faiss": "faiss-cpu", "huggingface_hub": "huggingface_hub", "imagehash": "imagehash", "lance": "pylance",
    "lancedb": "lancedb", "matplotlib": "matplotlib", "nameparser": "gbif-name-parser", "numba": "numba", "onnxruntime": "onnxruntime",
    "open_clip": "open_clip_torch", "pillow_heif": "pillow-heif", "polars": "polars", "prometheus_client": "prometheus_client", "pydantic": "pydantic", "scipy": "scipy",
    "sklearn": "scikit-learn", "sqlglot": "sqlglot", "timm": "timm", "torch": "torch", "torchvision": "torchvision", "umap": "umap-learn",
    "pandas": "'cladescope[pandas]'", "obstore": "'cladescope[cloud]'", "onnx": "'cladescope[onnx]'", "openvino": "'cladescope[openvino]'", "pymilvus": "'cladescope[milvus]'",
    "fastapi": "'cladescope[serve]'", "multipart": "'cladescope[serve]'", "python_multipart": "'cladescope[serve]'",
    "starlette": "'cladescope[serve]'", "uvicorn": "'cladescope[serve]'", "qdrant_client": "'cladescope[qdrant]'", "ray": "'cladescope[ray]'", "tensorboard": "'cladescope[train]'",
    "webdataset": "'cladescope[train]'", "pdqhash": "'cladescope[curate]'",
}  # fmt: skip
"""What pip is asked for, by the name of the module that is imported somewhere in the code, often only when it is needed."""


def not_installed(module: str) -> str:
    """What to say where a module is missing. Raises KeyError for one of no package of ours: that is a bug, not a missing package.

    >>> not_installed("ray")
    "the package ray is not installed: pip install 'cladescope[ray]'"
    >>> not_installed("umap.umap_")
    'the package umap-learn is not installed: pip install umap-learn'
    """
    name = module.partition(".")[0]
    asked = PACKAGES[name]
    return f"the package {name if asked.startswith(chr(39)) else asked} is not installed: pip install {asked}"


def is_known(module: str) -> bool:
    """Whether a module that cannot be found is of a package of ours.

    >>> is_known("torch.nn"), is_known("embbeding")
    (True, False)
    """
    return module.partition(".")[0] in PACKAGES


def versions_of(names: Iterable[str]) -> dict[str, str]:
    """Versions of the packages that are installed, by name; others are left out.

    >>> versions_of(["no-such-package"])
    {}
    """
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
