"""Defaults of search and index, apart from their code: the command line shows them without loading FAISS or pyarrow."""

K = 10
"""Hits of a search."""
UNLIKE_WEIGHT = 0.5
"""What a query subtracts of the direction that is not wanted."""
TARGET_RECALL = 0.95
"""Share of the exact 10 neighbours that an index must find."""
AUTO_MIN_ROWS = 20_000
"""Below so many rows an exact search takes a millisecond, and `auto` is `flat`."""
AUTO = "auto"
"""The kind that was fastest wherever all were compared, if it meets the target; else as `COMPARE`."""
COMPARE = "compare"
"""The kind of index that is chosen by building and measuring all."""
