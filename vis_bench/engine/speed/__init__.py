"""Measuring speed: scenarios, stages, audits, memory and curves, each method in a process of its own."""
