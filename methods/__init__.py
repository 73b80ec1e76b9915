"""The reimplemented methods, one folder each; `layers` and `tracking` hold what several of them share."""
