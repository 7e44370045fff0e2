"""What the labels are worth: a summary table a dataset, rules over it."""
