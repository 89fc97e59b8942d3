"""A training run: steps, optimiser, checkpoints, evaluation, export, several processes."""
