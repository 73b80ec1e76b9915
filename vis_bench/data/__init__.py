"""Data sets: reading, checking and writing annotations, predictions and frames."""
