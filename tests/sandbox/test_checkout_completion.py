"""A completed checkout session leaves payment, customer, subscription and saved card."""

from sandbox import buyer
from tests.sandbox.checkout_events import FIRST_SUBSCRIPTION, retrieve
from tests.sandbox.shop import NOW, SUCCESS


def test_first_subscription_of_a_new_customer(shop):
    price = shop.price()
    session = shop.session(
        price,
        client_reference_id="org_1",
        metadata={"order": "7"},
        subscription_data={"metadata": {"plan": "pro"}},
    )
    shop.news()
    assert shop.pay(session, email="ada@example.com", name="Ada").status == "complete"
    assert shop.news() == FIRST_SUBSCRIPTION
    done = retrieve(shop, session, "subscription.latest_invoice", "customer")
    assert (done.status, done.payment_status, done.url) == ("complete", "paid", None)
    assert done.payment_intent is None
    assert done.customer_details.email == done.customer.email == "ada@example.com"
    assert done.customer.name == "Ada"
    subscription = done.subscription
    assert subscription.status == "active"
    assert subscription.metadata.to_dict() == {"plan": "pro"}
    assert subscription.billing_mode.type == "flexible"
    (item,) = subscription["items"].data
    assert item.current_period_start == NOW
    assert item.current_period_end == 1_802_678_400  # 15 February, a month later
    assert not {"current_period_start", "current_period_end"} & set(subscription.to_dict())
    method = shop.client.v1.payment_methods.retrieve(subscription.default_payment_method)
    assert method.customer == done.customer.id
    invoice = subscription.latest_invoice
    assert done.invoice == invoice.id
    assert (invoice.status, invoice.billing_reason) == ("paid", "subscription_create")
    assert (invoice.amount_paid, invoice.amount_remaining) == (1000, 0)
    assert invoice.number == f"{done.customer.invoice_prefix}-0001"
    assert invoice.parent.subscription_details.subscription == subscription.id
    assert invoice.parent.subscription_details.metadata.to_dict() == {"plan": "pro"}


def test_the_payment_names_its_invoice_only_through_the_invoice_payment(shop):
    subscription = shop.subscribe()
    invoice = shop.client.v1.invoices.retrieve(
        subscription.latest_invoice, {"expand": ["payments.data.payment.payment_intent"]}
    )
    (payment,) = invoice.payments.data
    intent = payment.payment.payment_intent
    assert (payment.status, payment.amount_paid) == ("paid", 1000)
    assert (intent.status, intent.customer) == ("succeeded", subscription.customer)
    assert "invoice" not in intent
    invoice_payments = shop.client.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": intent.id}}
    )
    assert [each.invoice for each in invoice_payments.data] == [invoice.id]
    assert "payments" not in shop.client.v1.invoices.retrieve(invoice.id)


def test_an_existing_customer_buys(shop):
    customer = shop.customer()
    session = shop.session(shop.price(), customer=customer)
    assert session.customer_details.email == "ada@example.com"
    shop.news()
    shop.pay(session, email="someone@else.example")
    assert shop.news() == [each for each in FIRST_SUBSCRIPTION if each != "customer.created"]
    done = retrieve(shop, session)
    assert done.customer == customer
    assert done.customer_details.email == "ada@example.com"


def test_a_one_time_payment_by_a_guest(shop):
    session = shop.session(
        shop.price(1500, None),
        "payment",
        payment_intent_data={"metadata": {"order": "7"}, "description": "An order"},
    )
    shop.news()
    assert shop.pay(session).status == "complete"
    assert shop.news() == [
        "charge.succeeded",
        "payment_intent.succeeded",
        "payment_intent.created",
        "checkout.session.completed",
        "charge.updated",
    ]
    done = retrieve(shop, session, "payment_intent")
    assert (done.status, done.payment_status) == ("complete", "paid")
    assert (done.customer, done.subscription, done.invoice) == (None, None, None)
    assert done.payment_intent.amount_received == 1500
    assert done.payment_intent.metadata.to_dict() == {"order": "7"}
    assert done.metadata.to_dict() == {}
    assert done.customer_details.email == buyer.EMAIL


def test_a_one_time_payment_that_makes_a_customer(shop):
    session = shop.session(shop.price(1500, None), "payment", customer_creation="always")
    shop.news()
    shop.pay(session)
    assert shop.news() == [
        "charge.succeeded",
        "customer.created",
        "payment_intent.succeeded",
        "payment_intent.created",
        "checkout.session.completed",
        "charge.updated",
    ]
    done = retrieve(shop, session, "customer", "payment_intent")
    assert done.customer.email == buyer.EMAIL
    assert done.payment_intent.customer == done.customer.id


def test_a_session_sells_recurring_and_one_time_prices_together(shop):
    monthly, once = shop.price(1000), shop.price(500, None)
    session = shop.session(
        "", line_items=[{"price": monthly, "quantity": 1}, {"price": once, "quantity": 2}]
    )
    assert session.amount_total == 2000
    shop.news()
    shop.pay(session)
    assert sorted(shop.news()) == sorted([*FIRST_SUBSCRIPTION, "invoiceitem.created"])
    done = retrieve(shop, session, "subscription.latest_invoice")
    assert [item.price.id for item in done.subscription["items"].data] == [monthly]
    lines = done.subscription.latest_invoice.lines.data
    assert [(line.amount, line.pricing.price_details.price) for line in lines] == [
        (1000, monthly),
        (1000, once),
    ]
    shop.later(32)
    assert shop.client.v1.invoices.list().data[0].total == 1000


def test_a_free_session_completes_without_payment(shop):
    session = shop.session(shop.price(0, None), "payment")
    assert session.payment_status == "no_payment_required"
    shop.news()
    assert shop.pay(session, None).status == "complete"
    assert shop.news() == ["checkout.session.completed"]
    done = retrieve(shop, session)
    assert (done.payment_status, done.payment_intent) == ("no_payment_required", None)


def test_setup_mode_saves_a_card(shop):
    customer = shop.customer()
    session = shop.client.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "currency": "usd",
            "customer": customer,
            "success_url": SUCCESS,
            "setup_intent_data": {"metadata": {"for": "later"}},
        }
    )
    shop.news()
    assert shop.pay(session).status == "complete"
    assert shop.news() == [
        "setup_intent.created",
        "setup_intent.succeeded",
        "payment_method.attached",
        "checkout.session.completed",
    ]
    done = retrieve(shop, session, "setup_intent")
    assert (done.amount_total, done.payment_status) == (None, "no_payment_required")
    assert done.setup_intent.metadata.to_dict() == {"for": "later"}
    assert len(shop.client.v1.customers.payment_methods.list(customer).data) == 1


def test_the_saved_card_can_be_used_by_name(shop):
    customer = shop.customer("pm_card_visa")
    method = shop.client.v1.customers.payment_methods.list(customer).data[0]
    session = shop.session(shop.price(), customer=customer)
    assert shop.pay(session, method.id).status == "complete"
    done = retrieve(shop, session, "subscription")
    assert done.subscription.default_payment_method == method.id


def test_a_session_with_manual_capture_is_captured_later(shop):
    session = shop.session(
        shop.price(1500, None), "payment", payment_intent_data={"capture_method": "manual"}
    )
    assert shop.pay(session).status == "complete"
    done = retrieve(shop, session)
    assert (done.status, done.payment_status) == ("complete", "unpaid")
    shop.client.v1.payment_intents.capture(done.payment_intent)
    assert retrieve(shop, session).payment_status == "paid"


def test_a_payment_that_saves_the_card_makes_a_customer(shop):
    session = shop.session(
        shop.price(1500, None),
        "payment",
        payment_intent_data={"setup_future_usage": "off_session"},
    )
    shop.pay(session)
    customer = retrieve(shop, session).customer
    assert len(shop.client.v1.customers.payment_methods.list(customer).data) == 1


def test_the_customer_gets_the_details_typed_last(shop):
    session = shop.session(shop.price())
    shop.pay(session, "4000000000000002", email="typo@example.con", name="Adda")
    shop.pay(session, email="ada@example.com", name="Ada")
    done = retrieve(shop, session, "customer")
    assert (done.customer.email, done.customer.name) == ("ada@example.com", "Ada")
    assert len(shop.client.v1.customers.list().data) == 1


def test_checkout_leaves_pending_invoice_items_alone(shop):
    customer = shop.customer()
    shop.client.v1.customers.update(customer, {"balance": -300})
    shop.client.v1.invoice_items.create({"customer": customer, "amount": 700, "currency": "usd"})
    session = shop.session(shop.price(), customer=customer)
    shop.pay(session)
    invoice = retrieve(shop, session, "invoice").invoice
    assert (invoice.total, invoice.amount_paid, invoice.ending_balance) == (1000, 1000, -300)
    shop.later(32)
    renewal = shop.client.v1.invoices.list().data[0]
    assert (renewal.total, renewal.amount_paid, renewal.ending_balance) == (1700, 1400, 0)
