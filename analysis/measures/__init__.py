"""Figures over plain arrays: accuracy, calibration, errors in the tree, intervals and tests.

The lowest room of the analysis: arrays in, numbers out, and no model, store or index is imported. Labels may be any
integers, higher is better, and no table of all pairs is ever made: products go block by block.
"""

BLOCK_BYTES = 1 << 26
"""Most bytes of one block of products."""
