"""Colours, the style of plots, and small PNG files: what every picture of a report shares."""
