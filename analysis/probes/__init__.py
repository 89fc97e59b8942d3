"""Probes of what an encoder has learnt about the tree of life: numbers with intervals and null models."""
