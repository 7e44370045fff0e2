"""The object store, content-addressed; the only package that knows buckets."""
