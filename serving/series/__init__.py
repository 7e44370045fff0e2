"""Time series from outside: several dated files of one form, held together, opened as hostile, predicted by window."""
