"""Executors: where the units of a sweep are computed. One file for each existing engine."""
