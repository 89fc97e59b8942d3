"""Delimited text (CSV, TSV and their kin) as people have it: one reader for sources, label files, lists, bins and priors.

`DelimitedText` and `local_opener` are the room's public words.
"""

from cladescope.delimited.text import DelimitedText, local_opener

__all__ = ["DelimitedText", "local_opener"]
