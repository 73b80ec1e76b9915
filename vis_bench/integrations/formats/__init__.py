"""Foreign formats of truth and predictions: one file each, read into and written from one `Content`."""
