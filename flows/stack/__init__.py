"""The embedded stack: object store, Prefect server, agents, reports and service on loopback, without root."""
