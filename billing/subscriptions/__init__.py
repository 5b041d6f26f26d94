"""Running subscriptions: change, pause, cancel, and what that costs.

Owns: subscriptions and their items, changes that wait for a period, trials. Does not own: how one
begins (`checkout`), its bills (`invoices`), nor what it gives (`access`)."""
