"""Trees of taxa: the tree itself, and its files in Newick and Nexus."""
