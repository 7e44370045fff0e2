"""Scoring, baselines, gate and report."""
