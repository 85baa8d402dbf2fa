"""The register: who is who in a ledger, and what each may do, as events."""
