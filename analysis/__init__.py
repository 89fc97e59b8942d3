"""Vectors to results: classifiers, maps, audits of the data, probes, the benchmark and the report.

`pictures` is the one reader of labelled vectors; the rooms above it take what it gives.
"""
