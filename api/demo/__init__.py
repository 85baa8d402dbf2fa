"""The stories that `traceability demo` tells, and what it takes to load them."""
