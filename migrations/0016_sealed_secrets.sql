-- Secrets of partners and subscriptions are encrypted: the column that held one then holds the nonce and the ciphertext in
-- base64, and this one names the key. NULL: in the clear, as the version before writes it; a server encrypts it when it
-- starts. The version before sends what it finds in the column, which whoever knows the secret refuses.
ALTER TABLE work.partner ADD COLUMN sealed_with text;
ALTER TABLE work.subscription ADD COLUMN sealed_with text;
