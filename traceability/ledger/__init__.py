"""The ledger's kernel: events cut into parts, what commits to them, and the store that orders them."""
