"""Bundles: runs packed into one file that anyone can check without a server."""
