"""Payments in every way that a request names, with refunds, disputes and payment methods.

Owns: PaymentIntents, what becomes of them, money that goes back, what a customer has saved to pay
with. Does not own: hosted pages (`checkout`), nor what a payment gives (`access`)."""
