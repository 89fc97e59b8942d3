"""Vectors to knowledge: figures drawn from a store. Classifiers, maps and probes follow."""
