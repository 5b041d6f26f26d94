"""Stripe's customer portal, with the settings of each project.

Owns: portal settings, portal configurations at Stripe, portal sessions. Does not own: the changes
that users make in the portal; webhooks report them."""
