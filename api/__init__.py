"""The faces: HTTP, pages and command line, and the composition root that ties them to the adapters."""
