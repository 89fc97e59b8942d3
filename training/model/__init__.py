"""The model in training: picture side, projection, text side, and where they start from."""
