"""The verbs as functions: typed, documented, returning objects and printing nothing."""
