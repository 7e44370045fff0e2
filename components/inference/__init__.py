"""Prediction over scenes of any size: one engine for evaluation, command line and service."""
