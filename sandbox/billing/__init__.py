"""Recurring billing: subscriptions, periods, prices, invoices and their collection."""
