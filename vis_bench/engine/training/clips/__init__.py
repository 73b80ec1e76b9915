"""Training clips: which frames are drawn, and how they are changed."""
