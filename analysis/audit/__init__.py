"""Auditing the data: near-duplicates, leaks between splits, outliers and likely label errors."""
