"""Networks: torch only, one family a file."""
