"""What is decided before a run: configurations, plug-ins, protocols, seeds."""
