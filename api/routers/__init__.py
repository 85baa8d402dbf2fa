"""The HTTP interface, one module an area."""
