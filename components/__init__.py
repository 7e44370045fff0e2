"""Plain functions and value types; importable without Prefect, BentoML or a network."""
