"""What runs say together: intervals, comparisons, verdicts."""
