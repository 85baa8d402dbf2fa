"""Implementations of the domain's ports: PostgreSQL, files, barcodes, the system's clock."""
