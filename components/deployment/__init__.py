"""Versions, promotion, cards and Bentos."""
