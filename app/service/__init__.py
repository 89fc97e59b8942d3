"""What the explorer knows of its stores: searches, taxa, maps, names, care, small pictures, and work in the background. It knows nothing of HTTP but the statuses of refusals."""
