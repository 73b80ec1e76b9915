"""Protocols as TOML data: what is held equal between the methods that are compared."""
