"""What the tasks of the flows do: components called in order inside a checkout; no decorator in sight."""
