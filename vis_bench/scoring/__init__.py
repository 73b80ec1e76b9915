"""From predictions and truth to numbers, and why they are what they are."""
