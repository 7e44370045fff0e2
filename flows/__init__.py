"""Prefect only: order, retries, concurrency, artifacts. Nothing here computes."""
