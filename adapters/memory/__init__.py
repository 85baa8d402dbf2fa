"""In-memory fakes: the same contracts as `adapters.postgres`, for tests and for trying things out."""
