"""Everything about one mask or box: run lengths, their check, compiled kernels, boxes."""
