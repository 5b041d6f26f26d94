"""The one path from Stripe's truth to ours: a queue of objects to read again, and how what is
read is applied.

Owns: the sync queue, claims and leases, reading, plans and their writing. Does not own: how an
object's answer becomes rows; the rooms above register a mapper for each kind."""
