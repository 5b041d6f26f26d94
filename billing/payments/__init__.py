"""Payments, refunds, disputes, early fraud warnings and saved payment methods.

Owns: PaymentIntents and their status, refunds, disputes, a customer's saved payment methods. Does
not own: hosted pages (`checkout`) and the access that a payment gives (`access`)."""
