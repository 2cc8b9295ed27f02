-- The identity of an identity provider that opens an account: "ISSUER SUBJECT". Empty in most.
ALTER TABLE accounts ADD COLUMN oidc TEXT;
CREATE UNIQUE INDEX accounts_by_oidc ON accounts (oidc) WHERE oidc IS NOT NULL;
