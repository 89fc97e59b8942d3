"""The run itself: steps, optimiser, checkpoints, evaluation, export, several processes."""
