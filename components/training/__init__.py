"""The loop, its sampling and its checkpoints."""
