"""Fair comparison: variants of a config on the same folds with the same seeds, and what may be concluded."""
