"""What a run leaves, and which of these may stand side by side."""
