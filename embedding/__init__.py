"""Pictures to vectors: sources, decoding, encoders and the resumable job that connects them."""
