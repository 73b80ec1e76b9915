"""Files of weights: reading them, what of them fits a method, and what was loaded."""
