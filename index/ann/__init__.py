"""Approximate search: structures of FAISS, built, tuned and measured with queries that they do not hold, and kept on disk."""
