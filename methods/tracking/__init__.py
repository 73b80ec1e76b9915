"""Identity banks, association rules, clip stitching and sequence scores, shared by the methods."""
