"""Training, tracking and running sweeps. Nothing here knows a method by name."""
