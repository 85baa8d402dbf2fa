"""The notary: a Merkle log over a ledger, in the formats of C2SP (tlog-tiles, tlog-checkpoint, tlog-proof)."""
