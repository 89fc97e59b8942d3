"""The command line, the same commands as Python functions, and the demo. Nothing imports from here."""
