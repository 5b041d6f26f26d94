"""Sync: the queue of Stripe objects to read again, reading them, and applying the snapshots.

Owns: the sync queue and its leases, reads, plans and their writing. Does not own: how a snapshot
becomes rows; the rooms above register a mapper for each kind."""
