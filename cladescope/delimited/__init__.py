"""Delimited text (CSV, TSV and their kin) as people have it: one reader for sources, label files, lists, bins and priors.

`DelimitedText`, `Dialect`, `local_opener` and `read_text` are the room's public words.
"""

from cladescope.delimited.dialect import Dialect
from cladescope.delimited.encoding import read_text
from cladescope.delimited.text import DelimitedText, local_opener

__all__ = ["DelimitedText", "Dialect", "local_opener", "read_text"]
