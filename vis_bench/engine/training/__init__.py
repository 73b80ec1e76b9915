"""One training: the loop, its state and its optimiser."""
