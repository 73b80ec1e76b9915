"""vis-bench: compare the paradigms of video instance segmentation under one protocol.

Importing this package imports no torch; everything that needs it is imported where it is used.
"""

__version__ = "0.1.0"
