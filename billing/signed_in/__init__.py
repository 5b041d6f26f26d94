"""What signed-in users see and do with their own billing, by their own token (`/billing/…`).

Owns: these addresses, and what a project allows its users. Does not own: what the acts do; every
one calls the room of its subject."""
