"""Labelled pictures for training: where they come from, how they are split, drawn, altered and loaded."""
