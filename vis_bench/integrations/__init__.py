"""Foreign programs and formats."""
