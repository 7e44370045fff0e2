"""Predictions that outlive a request and a process: a durable table, its workers and its routes."""
