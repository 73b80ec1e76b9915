"""Tracking videos of one's own, without annotations."""
