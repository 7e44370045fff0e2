"""Scenes, stacks and grids: pixels with their meaning, read and written in one way."""
