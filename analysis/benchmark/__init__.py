"""The benchmark: labelled tasks, the protocols of BioCLIP's evaluation, and results beside the published ones."""
