"""Milvus Lite, so that its collections can be looked at."""

from dataclasses import dataclass
from typing import Any

from cladescope.index.publishing import milvus


@dataclass
class MilvusBase:
    """A file of Milvus Lite."""

    client: Any
    url: str

    @classmethod
    def open(cls, path):
        """Make one."""
        return cls(milvus.connect(str(path), "any", is_local=True)._client, str(path))

    def target(self, name="birds"):
        """One collection."""
        return milvus.MilvusTarget(self.client, name, url=self.url, is_local=True)

    def rows(self, name="birds"):
        """Payloads by image_id, without what is null."""
        found = self.client.query(name, filter="", output_fields=["*"], limit=10_000)
        rows = [{key: value for key, value in row.items() if value is not None} for row in found]
        return {row["image_id"]: {key: row[key] for key in row if key not in ("vector", "id")} for row in rows}

    def nearest(self, query, k, *, store=None, within=None):
        """Ids and scores of the nearest points."""
        only = "" if within is None else milvus.within(store, within)
        asked = {"params": {"ef": 200}}
        (found,) = self.client.search(
            "birds", [query.tolist()], filter=only, limit=k, output_fields=["image_id"], search_params=asked
        )
        return [hit["entity"]["image_id"] for hit in found], [hit["distance"] for hit in found]

    def drop(self, image_ids):
        """Take points out behind the back of `publish`."""
        self.client.delete("birds", filter=f"image_id in {list(image_ids)}")
