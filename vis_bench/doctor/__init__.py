"""What is wrong with an installation, its data and its caches, and how to repair it."""
