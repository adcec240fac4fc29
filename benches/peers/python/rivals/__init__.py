"""The rivals of Python's face, a module each."""
