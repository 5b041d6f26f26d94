"""The API of signed-in users for their own billing, by their own token (`/billing/…`).

Owns: these addresses, and the permissions that a project gives its users. Does not own: the
actions; each of them calls the room of its subject."""
