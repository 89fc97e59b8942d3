"""Probes of what an encoder has learnt of the tree of life: numbers with intervals and null models."""
