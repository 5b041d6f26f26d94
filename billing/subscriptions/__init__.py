"""Running subscriptions: change, pause, resume and cancel them, and preview the cost.

Owns: subscriptions and their items, changes scheduled for renewal, trials. Does not own: new
subscriptions (`checkout`), invoices (`invoices`) and access (`access`)."""
