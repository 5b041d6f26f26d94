"""The table of methods: the route of each, and the scope that a key needs."""

from projects.keys.scopes import KeyScope
from rpc.routes import RpcRoute, inside, no_object, page, results

SUBSCRIPTION = "/subscriptions/{user_id}/{product}"
PAYMENT = "/payments/{id}"
CHECKOUT = "/checkout/{id}"
NO_CHECKOUT, NO_INVOICE, NO_PAYMENT = map(no_object, ("chk", "inv", "pay"))

SUBSCRIPTIONS: dict[str, RpcRoute] = {
    "ListSubscriptions": RpcRoute(
        verb="GET", path="/subscriptions", scope=KeyScope.SUBSCRIPTIONS_READ, shape=page
    ),
    "GetSubscription": RpcRoute(
        verb="GET",
        path=SUBSCRIPTION,
        scope=KeyScope.SUBSCRIPTIONS_READ,
        shape=inside("subscription"),
    ),
    "CreateSubscription": RpcRoute(
        verb="POST",
        path="/checkout/subscription",
        scope=KeyScope.CHECKOUT_WRITE,
        shape=inside("checkout"),
    ),
    "ChangeSubscription": RpcRoute(
        verb="PATCH",
        path=SUBSCRIPTION,
        scope=KeyScope.SUBSCRIPTIONS_WRITE,
        shape=inside("subscription"),
    ),
    "PreviewSubscriptionChange": RpcRoute(
        verb="POST",
        path=f"{SUBSCRIPTION}/preview",
        scope=KeyScope.SUBSCRIPTIONS_READ,
        shape=inside("subscription"),
    ),
    "CancelSubscription": RpcRoute(
        verb="DELETE",
        path=SUBSCRIPTION,
        scope=KeyScope.SUBSCRIPTIONS_WRITE,
        shape=inside("subscription"),
    ),
    "PauseSubscription": RpcRoute(
        verb="POST",
        path=f"{SUBSCRIPTION}/pause",
        scope=KeyScope.SUBSCRIPTIONS_WRITE,
        shape=inside("subscription"),
    ),
    "ResumeSubscription": RpcRoute(
        verb="POST",
        path=f"{SUBSCRIPTION}/resume",
        scope=KeyScope.SUBSCRIPTIONS_WRITE,
        shape=inside("subscription"),
    ),
    "CreatePortalSession": RpcRoute(verb="POST", path="/portal", scope=KeyScope.PORTAL_WRITE),
    "GetPortalEligibility": RpcRoute(
        verb="GET", path="/portal/eligibility", scope=KeyScope.PORTAL_READ
    ),
}
CHECKOUTS: dict[str, RpcRoute] = {
    "GetCheckout": RpcRoute(
        verb="GET",
        path=CHECKOUT,
        scope=KeyScope.CHECKOUT_READ,
        shape=inside("checkout"),
        no_object=NO_CHECKOUT,
    ),
    "SyncCheckout": RpcRoute(
        verb="POST",
        path=f"{CHECKOUT}/sync",
        scope=KeyScope.CHECKOUT_WRITE,
        shape=inside("checkout"),
        no_object=NO_CHECKOUT,
    ),
    "ExpireCheckout": RpcRoute(
        verb="POST",
        path=f"{CHECKOUT}/expire",
        scope=KeyScope.CHECKOUT_WRITE,
        shape=inside("checkout"),
        no_object=NO_CHECKOUT,
    ),
}
ENTITLEMENTS: dict[str, RpcRoute] = {
    "ListEntitlements": RpcRoute(
        verb="GET", path="/entitlements", scope=KeyScope.ENTITLEMENTS_READ
    ),
    "Check": RpcRoute(
        verb="GET",
        path="/entitlements/check",
        scope=KeyScope.ENTITLEMENTS_READ,
        shape=inside("decision"),
    ),
    "BatchCheck": RpcRoute(
        verb="POST",
        path="/entitlements/check",
        scope=KeyScope.ENTITLEMENTS_READ,
        shape=results,
    ),
    "Consume": RpcRoute(
        verb="POST",
        path="/entitlements/consume",
        scope=KeyScope.USAGE_WRITE,
        shape=inside("decision"),
    ),
    "Reserve": RpcRoute(verb="POST", path="/entitlements/reserve", scope=KeyScope.USAGE_WRITE),
    "Commit": RpcRoute(verb="POST", path="/entitlements/commit", scope=KeyScope.USAGE_WRITE),
    "Release": RpcRoute(verb="POST", path="/entitlements/release", scope=KeyScope.USAGE_WRITE),
    "WatchChanges": RpcRoute(verb="GET", path="/events", scope=KeyScope.EVENTS_READ),
}
PAYMENTS: dict[str, RpcRoute] = {
    "ListPayments": RpcRoute(
        verb="GET", path="/payments", scope=KeyScope.PAYMENTS_READ, shape=page
    ),
    "CreatePayment": RpcRoute(
        verb="POST", path="/payments", scope=KeyScope.PAYMENTS_WRITE, shape=inside("payment")
    ),
    "GetPayment": RpcRoute(
        verb="GET",
        path=PAYMENT,
        scope=KeyScope.PAYMENTS_READ,
        shape=inside("payment"),
        no_object=NO_PAYMENT,
    ),
    "SyncPayment": RpcRoute(
        verb="POST",
        path=f"{PAYMENT}/sync",
        scope=KeyScope.PAYMENTS_WRITE,
        shape=inside("payment"),
        no_object=NO_PAYMENT,
    ),
    "CancelPayment": RpcRoute(
        verb="POST",
        path=f"{PAYMENT}/cancel",
        scope=KeyScope.PAYMENTS_WRITE,
        shape=inside("payment"),
        no_object=NO_PAYMENT,
    ),
    "RefundPayment": RpcRoute(
        verb="POST",
        path=f"{PAYMENT}/refunds",
        scope=KeyScope.PAYMENTS_WRITE,
        shape=inside("refund"),
        no_object=NO_PAYMENT,
    ),
}
INVOICES: dict[str, RpcRoute] = {
    "ListInvoices": RpcRoute(
        verb="GET", path="/invoices", scope=KeyScope.INVOICES_READ, shape=page
    ),
    "GetInvoice": RpcRoute(
        verb="GET",
        path="/invoices/{id}",
        scope=KeyScope.INVOICES_READ,
        shape=inside("invoice"),
        no_object=NO_INVOICE,
    ),
}
SHIPMENTS: dict[str, RpcRoute] = {
    "CreateInvoice": RpcRoute(verb="POST", path="/payments", scope=KeyScope.PAYMENTS_WRITE),
    "GetInvoice": RpcRoute(
        verb="GET",
        path=PAYMENT,
        scope=KeyScope.PAYMENTS_READ,
        no_object=NO_PAYMENT,
    ),
}
"""Of LogiSynapse's ``billing.BillingService``; ``rpc/shipments.py`` has their messages."""
SERVICES: dict[str, dict[str, RpcRoute]] = {
    "billing.BillingService": SHIPMENTS,
    "tollgate.v1.CheckoutService": CHECKOUTS,
    "tollgate.v1.EntitlementService": ENTITLEMENTS,
    "tollgate.v1.InvoiceService": INVOICES,
    "tollgate.v1.PaymentService": PAYMENTS,
    "tollgate.v1.SubscriptionService": SUBSCRIPTIONS,
}
ROUTES: dict[str, RpcRoute] = {
    f"/{service}/{method}": route
    for service, routes in SERVICES.items()
    for method, route in routes.items()
}
"""By the name that a call has."""
