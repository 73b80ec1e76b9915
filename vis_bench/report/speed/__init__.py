"""Tables and plots of speed."""
