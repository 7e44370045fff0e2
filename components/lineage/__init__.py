"""Checkouts, leases, manifests and dvc.lock merging: the only package that calls dvc or git."""
