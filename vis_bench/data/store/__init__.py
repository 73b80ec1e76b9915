"""Annotations packed into one memory-mapped file: opened at once, shared by all processes that read it."""
