"""Scenes from STAC APIs: search, what an item says of its bands, download."""
