"""Labelled pictures to an encoder. Reaches the rest through a checkpoint folder, never an import."""
