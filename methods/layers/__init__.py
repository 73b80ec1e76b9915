"""Network blocks that several methods share. Pure torch modules; no file here knows a method."""
