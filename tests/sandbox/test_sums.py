"""Sessions, invoices, previews and credit notes agree to the last unit."""

import random

COUPONS = [
    {"percent_off": 33.3, "duration": "forever"},
    {"percent_off": 12.5, "duration": "once"},
    {"percent_off": 100, "duration": "once"},
    {"amount_off": 1234, "duration": "forever"},
]
PLACES = [{"country": "DE"}, {"country": "US", "state": "CA"}, {"country": "FR"}]
BEHAVIORS = ["inclusive", "exclusive", "unspecified"]


def paid_session(shop, chance):
    """A completed session of some prices, with its invoice and subscription."""
    currency = chance.choice(["usd", "jpy"])

    def line(interval):
        behavior, amount = chance.choice(BEHAVIORS), chance.randrange(1500, 5000)
        price = shop.price(amount, interval, currency=currency, tax_behavior=behavior)
        return {"price": price, "quantity": chance.randrange(1, 4)}

    lines = [line("month"), line("month"), *[line(None) for _ in range(chance.randrange(3))]]
    chance.shuffle(lines)
    terms = dict(chance.choice(COUPONS))
    coupon = shop.client.v1.coupons.create(
        terms | ({"currency": currency} if "amount_off" in terms else {})
    )
    session = shop.session(
        "", line_items=lines, discounts=[{"coupon": coupon.id}], automatic_tax={"enabled": True}
    )
    assert shop.pay(session, address=chance.choice(PLACES)).status == "complete"
    return shop.client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["invoice", "line_items", "subscription"]}
    )


def test_sessions_invoices_and_credit_notes_add_up(shop):
    chance, v1 = random.Random(11), shop.client.v1
    for _ in range(12):
        session = paid_session(shop, chance)
        invoice = session.invoice
        lines = invoice.lines.data
        assert session.amount_total == invoice.total == invoice.amount_paid
        assert session.amount_total == sum(item.amount_total for item in session.line_items.data)
        assert session.amount_subtotal == invoice.subtotal == sum(line.amount for line in lines)
        off = sum(each.amount for each in invoice.total_discount_amounts)
        tax = sum(each.amount for each in invoice.total_taxes)
        assert off == sum(each.amount for line in lines for each in line.discount_amounts)
        assert tax == sum(each.amount for line in lines for each in line.taxes)
        details = session.total_details
        assert (details.amount_discount, details.amount_tax) == (off, tax)
        added = sum(e.amount for e in invoice.total_taxes if e.tax_behavior == "exclusive")
        assert invoice.total == invoice.subtotal - off + added
        assert invoice.total_excluding_tax == invoice.total - tax
        if invoice.total:
            credited = [
                {"type": "invoice_line_item", "invoice_line_item": line.id, "amount": line.amount}
                for line in lines
            ]
            note = v1.credit_notes.create(
                {"invoice": invoice.id, "lines": credited, "refund_amount": invoice.total}
            )
            assert note.total == invoice.total
        shop.later(chance.random() * 25)
        change = {
            "items": [{"id": session.subscription["items"].data[0].id, "quantity": 5}],
            "proration_behavior": "always_invoice",
            "proration_date": shop.world.clock.now(),
        }
        subscription = session.subscription.id
        preview = v1.invoices.create_preview(
            {"subscription": subscription, "subscription_details": change}
        )
        billed = v1.subscriptions.update(
            subscription, {**change, "expand": ["latest_invoice"]}
        ).latest_invoice
        assert (preview.total, preview.amount_due) == (billed.total, billed.amount_due)
