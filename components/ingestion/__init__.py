"""Sources become scenes: a folder as somebody published it becomes COGs, STAC items and a manifest."""
