"""Records as rows, captions and pages, before any format."""
