"""The roof: the command line and the demo. Nothing imports from here."""
