"""All of the history so far in one step, for a database that has none of it yet."""

import common.ids
import common.models
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):
    replaces = [
        ("billing", "0001_initial"),
        ("billing", "0002_every_way_to_pay"),
        ("billing", "0003_payment_expiry"),
        ("billing", "0004_intent_asked_at"),
        ("billing", "0005_page_twins"),
        ("billing", "0006_forget_asked_on_rows"),
        ("billing", "0007_refunds_and_invoices"),
        ("billing", "0008_portal"),
        ("billing", "0009_import_progress"),
    ]

    initial = True

    dependencies = [
        ("entitlements", "0001_initial"),
        ("projects", "0003_customer_details"),
    ]

    operations = [
        migrations.CreateModel(
            name="Cart",
            fields=[
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=31,
                        prefix="cart",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("frozen", "Frozen"),
                            ("completed", "Completed"),
                            ("expired", "Expired"),
                        ],
                        default="open",
                        max_length=12,
                    ),
                ),
                (
                    "currency",
                    models.CharField(blank=True, help_text="That of its first line.", max_length=3),
                ),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("expires_at", models.DateTimeField()),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "customer",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.customer",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["project", "customer", "-id"], name="cart_by_customer"),
                    models.Index(
                        condition=models.Q(("status", "open")),
                        fields=["expires_at"],
                        name="cart_by_expiry",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_cart_project_id_key"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Checkout",
            fields=[
                ("stripe_id", models.CharField(blank=True, max_length=255, null=True)),
                ("synced_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("request_key", models.CharField(blank=True, editable=False, max_length=64)),
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=30,
                        prefix="chk",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "type",
                    models.CharField(
                        choices=[
                            ("subscription", "Subscription"),
                            ("item", "One-time item"),
                            ("cart", "Cart"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "detected",
                    models.JSONField(
                        blank=True, default=dict, help_text="What was inferred, and why."
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("opening", "Opening"),
                            ("open", "Open"),
                            ("complete", "Complete"),
                            ("expired", "Expired"),
                        ],
                        default="opening",
                        max_length=16,
                    ),
                ),
                ("payment_status", models.CharField(blank=True, max_length=24)),
                ("url", models.TextField(blank=True)),
                ("success_url", models.TextField()),
                ("cancel_url", models.TextField(blank=True)),
                ("currency", models.CharField(max_length=3)),
                (
                    "amount_total",
                    models.BigIntegerField(
                        help_text="Minor units, as Stripe totals it.", null=True
                    ),
                ),
                ("amount_subtotal", models.BigIntegerField(help_text="Minor units.", null=True)),
                ("amount_discount", models.BigIntegerField(default=0, help_text="Minor units.")),
                ("amount_tax", models.BigIntegerField(default=0, help_text="Minor units.")),
                ("trial_period_days", models.PositiveSmallIntegerField(null=True)),
                ("trial_without_card", models.BooleanField(default=False)),
                (
                    "trial_end_behavior",
                    models.CharField(
                        blank=True,
                        help_text="Without a card when the trial ends: cancel, pause or create_invoice.",
                        max_length=16,
                    ),
                ),
                ("allow_promotion_codes", models.BooleanField(default=False)),
                ("automatic_tax", models.BooleanField(default=False)),
                ("tax_id_collection", models.BooleanField(default=False)),
                ("save_payment_method", models.BooleanField(default=False)),
                ("payment_stripe_id", models.CharField(blank=True, max_length=255)),
                ("subscription_stripe_id", models.CharField(blank=True, max_length=255)),
                ("invoice_stripe_id", models.CharField(blank=True, max_length=255)),
                (
                    "order_key",
                    models.CharField(
                        blank=True,
                        editable=False,
                        help_text="The same on pages that sell the same to the same customer.",
                        max_length=64,
                    ),
                ),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("expires_at", models.DateTimeField(null=True)),
                ("completed_at", models.DateTimeField(null=True)),
                (
                    "cart",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.cart",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.customer",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["project", "customer", "-id"], name="checkout_by_customer"
                    ),
                    models.Index(
                        fields=["project", "payment_stripe_id"], name="checkout_by_payment"
                    ),
                    models.Index(
                        fields=["project", "invoice_stripe_id"], name="checkout_by_invoice"
                    ),
                    models.Index(
                        fields=["project", "subscription_stripe_id"],
                        name="checkout_by_subscription",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_checkout_project_id_key"
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="cart",
            name="checkout",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="billing.checkout",
            ),
        ),
        migrations.CreateModel(
            name="Coupon",
            fields=[
                ("stripe_id", models.CharField(blank=True, max_length=255, null=True)),
                ("synced_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("request_key", models.CharField(blank=True, editable=False, max_length=64)),
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=30,
                        prefix="cpn",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=40)),
                ("percent_off", models.DecimalField(decimal_places=2, max_digits=5, null=True)),
                ("amount_off", models.BigIntegerField(help_text="Minor units.", null=True)),
                ("currency", models.CharField(blank=True, max_length=3)),
                (
                    "duration",
                    models.CharField(
                        choices=[
                            ("once", "Once"),
                            ("repeating", "For some months"),
                            ("forever", "Forever"),
                        ],
                        max_length=12,
                    ),
                ),
                ("duration_in_months", models.PositiveSmallIntegerField(null=True)),
                ("max_redemptions", models.PositiveIntegerField(null=True)),
                ("times_redeemed", models.PositiveIntegerField(default=0)),
                ("redeem_by", models.DateTimeField(null=True)),
                ("valid", models.BooleanField(default=True)),
                ("product_stripe_ids", models.JSONField(blank=True, default=list)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("deleted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_coupon_project_id_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("percent_off__isnull", True),
                            ("amount_off__isnull", True),
                            _connector="XOR",
                        ),
                        name="percentage_or_amount",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="checkout",
            name="coupon",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.coupon",
            ),
        ),
        migrations.CreateModel(
            name="Invoice",
            fields=[
                ("stripe_id", models.CharField(blank=True, max_length=255, null=True)),
                ("synced_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=30,
                        prefix="inv",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("subscription_stripe_id", models.CharField(blank=True, max_length=255)),
                ("number", models.CharField(blank=True, max_length=64)),
                ("status", models.CharField(max_length=20)),
                ("billing_reason", models.CharField(blank=True, max_length=40)),
                ("currency", models.CharField(max_length=3)),
                ("subtotal", models.BigIntegerField()),
                ("discount", models.BigIntegerField(default=0)),
                ("tax", models.BigIntegerField(default=0)),
                ("total", models.BigIntegerField()),
                ("amount_due", models.BigIntegerField()),
                ("amount_paid", models.BigIntegerField()),
                ("amount_remaining", models.BigIntegerField(default=0)),
                (
                    "amount_credited",
                    models.BigIntegerField(
                        default=0, help_text="Taken off by credit notes after it was final."
                    ),
                ),
                ("taxes", models.JSONField(blank=True, default=list)),
                ("discounts", models.JSONField(blank=True, default=list)),
                ("attempt_count", models.PositiveIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True)),
                ("hosted_url", models.TextField(blank=True)),
                ("pdf_url", models.TextField(blank=True)),
                ("issued_at", models.DateTimeField()),
                ("paid_at", models.DateTimeField(blank=True, null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.customer",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["project", "customer", "-id"], name="invoice_by_customer"),
                    models.Index(
                        fields=["project", "subscription_stripe_id"], name="invoice_by_subscription"
                    ),
                    models.Index(fields=["project", "number"], name="invoice_by_number"),
                    models.Index(fields=["project", "issued_at"], name="invoice_by_time"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_invoice_project_id_key"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Payment",
            fields=[
                ("stripe_id", models.CharField(blank=True, max_length=255, null=True)),
                ("synced_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("request_key", models.CharField(blank=True, editable=False, max_length=64)),
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=30,
                        prefix="pay",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "type",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("subscription", "Subscription"),
                            ("item", "One-time item"),
                            ("cart", "Cart"),
                            ("intent", "Intent"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "detected",
                    models.JSONField(
                        blank=True, default=dict, help_text="What was inferred, and why."
                    ),
                ),
                ("reference", models.CharField(blank=True, max_length=255)),
                ("description", models.CharField(blank=True, max_length=500)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("processing", "Processing"),
                            ("requires_action", "Requires action"),
                            ("paid", "Paid"),
                            ("failed", "Failed"),
                            ("expired", "Expired"),
                            ("canceled", "Canceled"),
                            ("refunded", "Refunded"),
                            ("partially_refunded", "Partially refunded"),
                            ("disputed", "Disputed"),
                        ],
                        default="pending",
                        max_length=20,
                    ),
                ),
                ("stripe_status", models.CharField(blank=True, max_length=32)),
                ("client_secret", models.TextField(blank=True, editable=False)),
                ("off_session", models.BooleanField(default=False)),
                ("save_payment_method", models.BooleanField(default=False)),
                ("payment_method_type", models.CharField(blank=True, max_length=40)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("expired_at", models.DateTimeField(blank=True, null=True)),
                ("expiry_leased_until", models.DateTimeField(editable=False, null=True)),
                (
                    "cancel_asked_at",
                    models.DateTimeField(
                        blank=True, help_text="When the project asked for its end.", null=True
                    ),
                ),
                ("invoice_stripe_id", models.CharField(blank=True, max_length=255)),
                ("currency", models.CharField(max_length=3)),
                ("amount", models.BigIntegerField()),
                ("amount_received", models.BigIntegerField(default=0)),
                ("amount_refunded", models.BigIntegerField(default=0)),
                (
                    "amount_disputed",
                    models.BigIntegerField(
                        default=0, help_text="Withheld by open disputes, or lost to them."
                    ),
                ),
                ("failure_code", models.CharField(blank=True, max_length=64)),
                ("failure_message", models.TextField(blank=True)),
                ("paid_at", models.DateTimeField(blank=True, null=True)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                (
                    "checkout",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to="billing.checkout",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.customer",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["project", "customer", "-id"], name="payment_by_customer"),
                    models.Index(fields=["paid_at"], name="payment_by_time"),
                    models.Index(
                        condition=models.Q(
                            ("expired_at__isnull", True),
                            ("expires_at__isnull", False),
                            ("status__in", ["pending", "requires_action", "failed"]),
                        ),
                        fields=["expires_at"],
                        name="payment_by_expiry",
                    ),
                    models.Index(
                        condition=models.Q(("checkout__isnull", False)),
                        fields=["project", "checkout"],
                        name="payment_by_checkout",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_payment_project_id_key"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("reference", ""), _negated=True),
                        fields=("project", "reference"),
                        name="billing_payment_reference_key",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("amount_refunded__gte", 0),
                            ("amount_refunded__lte", models.F("amount_received")),
                        ),
                        name="refunded_at_most_received",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="InvoicePayment",
            fields=[
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=32,
                        prefix="inpay",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("stripe_id", models.CharField(max_length=255)),
                ("payment_stripe_id", models.CharField(blank=True, max_length=255)),
                ("status", models.CharField(max_length=20)),
                ("currency", models.CharField(max_length=3)),
                ("amount_requested", models.BigIntegerField(help_text="Minor units.")),
                ("amount_paid", models.BigIntegerField(default=0, help_text="Minor units.")),
                (
                    "invoice",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="payments",
                        to="billing.invoice",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="invoice_payments",
                        to="billing.payment",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "indexes": [
                    models.Index(fields=["project", "payment_stripe_id"], name="invoice_by_payment")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_invoicepayment_project_id_key"
                    ),
                    models.UniqueConstraint(
                        fields=("project", "invoice", "stripe_id"),
                        name="billing_invoicepayment_stripe_id_key",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PortalSettings",
            fields=[
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=31,
                        prefix="pset",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("headline", models.CharField(blank=True, max_length=60)),
                (
                    "cancellation",
                    models.CharField(
                        choices=[
                            ("period_end", "At the end of the period"),
                            ("now", "At once"),
                            ("never", "Not in the portal"),
                        ],
                        default="period_end",
                        max_length=12,
                    ),
                ),
                ("plan_changes", models.BooleanField(default=True)),
                (
                    "products",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                ("payment_methods", models.BooleanField(default=True)),
                ("invoices", models.BooleanField(default=True)),
                ("default_return_url", models.CharField(blank=True, max_length=2048)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_portalsettings_project_id_key"
                    ),
                    models.UniqueConstraint(fields=("project",), name="billing_portalsettings_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Price",
            fields=[
                ("stripe_id", models.CharField(blank=True, max_length=255, null=True)),
                ("synced_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("request_key", models.CharField(blank=True, editable=False, max_length=64)),
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=32,
                        prefix="price",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("nickname", models.CharField(blank=True, max_length=250)),
                (
                    "type",
                    models.CharField(
                        choices=[("one_time", "One-time"), ("recurring", "Recurring")],
                        max_length=12,
                    ),
                ),
                ("currency", models.CharField(max_length=3)),
                ("unit_amount", models.BigIntegerField(help_text="Minor units.")),
                (
                    "interval",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("day", "Day"),
                            ("week", "Week"),
                            ("month", "Month"),
                            ("year", "Year"),
                        ],
                        max_length=8,
                    ),
                ),
                ("interval_count", models.PositiveSmallIntegerField(default=1)),
                (
                    "tax_behavior",
                    models.CharField(
                        blank=True,
                        help_text="Stripe's: inclusive, exclusive or unspecified.",
                        max_length=12,
                    ),
                ),
                ("active", models.BooleanField(default=True)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_price_project_id_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("unit_amount__gte", 0)),
                        name="billing_price_not_negative",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="InvoiceLine",
            fields=[
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=29,
                        prefix="il",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("stripe_id", models.CharField(max_length=255)),
                ("description", models.TextField(blank=True)),
                ("quantity", models.PositiveIntegerField(null=True)),
                (
                    "amount",
                    models.BigIntegerField(help_text="Minor units, before discounts and taxes."),
                ),
                ("discount", models.BigIntegerField(default=0, help_text="Minor units.")),
                (
                    "tax",
                    models.BigIntegerField(
                        default=0, help_text="Minor units; exclusive taxes only."
                    ),
                ),
                ("currency", models.CharField(max_length=3)),
                ("is_proration", models.BooleanField(default=False)),
                ("period_start", models.DateTimeField()),
                ("period_end", models.DateTimeField()),
                (
                    "invoice",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="lines",
                        to="billing.invoice",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
                (
                    "price",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.price",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_invoiceline_project_id_key"
                    ),
                    models.UniqueConstraint(
                        fields=("project", "invoice", "stripe_id"),
                        name="billing_invoiceline_stripe_id_key",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CheckoutLine",
            fields=[
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=31,
                        prefix="chkl",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("quantity", models.PositiveIntegerField(default=1)),
                ("fulfilled_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "checkout",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="lines",
                        to="billing.checkout",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
                (
                    "price",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.price",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_checkoutline_project_id_key"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CartLine",
            fields=[
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=31,
                        prefix="crtl",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("quantity", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "cart",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="lines",
                        to="billing.cart",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
                (
                    "price",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.price",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_cartline_project_id_key"
                    ),
                    models.UniqueConstraint(
                        fields=("project", "cart", "price"), name="billing_cartline_price_key"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Product",
            fields=[
                ("stripe_id", models.CharField(blank=True, max_length=255, null=True)),
                ("synced_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("request_key", models.CharField(blank=True, editable=False, max_length=64)),
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=31,
                        prefix="prod",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("name", models.CharField(max_length=250)),
                ("description", models.TextField(blank=True)),
                ("active", models.BooleanField(default=True)),
                (
                    "refund_policy",
                    models.CharField(
                        choices=[
                            ("revoke", "Ends once all of it is refunded"),
                            ("proportional", "Limits shrink with the share that is refunded"),
                            ("period_end", "Lasts until the end of the period that was paid"),
                            ("keep", "Stays"),
                        ],
                        default="revoke",
                        max_length=12,
                    ),
                ),
                (
                    "dispute_policy",
                    models.CharField(
                        choices=[
                            ("hold", "Held until it is decided"),
                            ("keep", "Stays until it is decided"),
                        ],
                        default="hold",
                        max_length=8,
                    ),
                ),
                (
                    "custom_price",
                    models.BooleanField(
                        default=False, help_text="A plan whose price is agreed with each customer."
                    ),
                ),
                ("metadata", models.JSONField(blank=True, default=dict)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_product_project_id_key"
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="price",
            name="product",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="prices",
                to="billing.product",
            ),
        ),
        migrations.CreateModel(
            name="ProductFeature",
            fields=[
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=29,
                        prefix="pf",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "value",
                    models.JSONField(help_text="true, a number, or null for no limit.", null=True),
                ),
                (
                    "feature",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="entitlements.feature",
                    ),
                ),
                (
                    "product",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="features",
                        to="billing.product",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_productfeature_project_id_key"
                    ),
                    models.UniqueConstraint(
                        fields=("project", "product", "feature"), name="billing_productfeature_key"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PromotionCode",
            fields=[
                ("stripe_id", models.CharField(blank=True, max_length=255, null=True)),
                ("synced_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("request_key", models.CharField(blank=True, editable=False, max_length=64)),
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=32,
                        prefix="promo",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("code", models.CharField(max_length=500)),
                ("active", models.BooleanField(default=True)),
                ("max_redemptions", models.PositiveIntegerField(null=True)),
                ("times_redeemed", models.PositiveIntegerField(default=0)),
                ("expires_at", models.DateTimeField(null=True)),
                ("first_time_transaction", models.BooleanField(default=False)),
                ("minimum_amount", models.BigIntegerField(help_text="Minor units.", null=True)),
                ("minimum_amount_currency", models.CharField(blank=True, max_length=3)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                (
                    "coupon",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="promotion_codes",
                        to="billing.coupon",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.customer",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["project", "code"], name="promotion_code_by_code")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_promotioncode_project_id_key"
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="checkout",
            name="promotion_code",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.promotioncode",
            ),
        ),
        migrations.CreateModel(
            name="StripeAccount",
            fields=[
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=30,
                        prefix="acc",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                ("livemode", models.BooleanField()),
                (
                    "stripe_id",
                    models.CharField(
                        blank=True, help_text="acct_…, as Stripe says.", max_length=64
                    ),
                ),
                ("secret_key", models.TextField(blank=True, editable=False)),
                (
                    "secret_key_last_four",
                    models.CharField(blank=True, editable=False, max_length=4),
                ),
                (
                    "events_seen_until",
                    models.DateTimeField(
                        blank=True, help_text="How far the list of events has been read.", null=True
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "project",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="own_stripe_account",
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("project__isnull", True)),
                        fields=("livemode",),
                        name="one_platform_account_per_mode",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Refund",
            fields=[
                ("stripe_id", models.CharField(blank=True, max_length=255, null=True)),
                ("synced_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("request_key", models.CharField(blank=True, editable=False, max_length=64)),
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=30,
                        prefix="ref",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("status", models.CharField(max_length=20)),
                ("currency", models.CharField(max_length=3)),
                ("amount", models.BigIntegerField(help_text="Minor units.")),
                ("reason", models.CharField(blank=True, max_length=40)),
                ("failure_reason", models.CharField(blank=True, max_length=64)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("refunded_at", models.DateTimeField()),
                (
                    "payment",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refunds",
                        to="billing.payment",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.stripeaccount",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["refunded_at"], name="refund_by_time")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_refund_project_id_key"
                    ),
                    models.UniqueConstraint(
                        fields=("project", "account", "stripe_id"),
                        name="billing_refund_stripe_id_key",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="promotioncode",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.stripeaccount",
            ),
        ),
        migrations.AddField(
            model_name="product",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.stripeaccount",
            ),
        ),
        migrations.AddField(
            model_name="price",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.stripeaccount",
            ),
        ),
        migrations.CreateModel(
            name="PortalConfiguration",
            fields=[
                ("stripe_id", models.CharField(blank=True, max_length=255, null=True)),
                ("synced_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("request_key", models.CharField(blank=True, editable=False, max_length=64)),
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=31,
                        prefix="pcfg",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("digest", models.CharField(editable=False, max_length=64)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.stripeaccount",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_portalconfiguration_project_id_key"
                    ),
                    models.UniqueConstraint(
                        fields=("project", "account", "stripe_id"),
                        name="billing_portalconfiguration_stripe_id_key",
                    ),
                    models.UniqueConstraint(
                        fields=("project", "account", "digest"),
                        name="billing_portalconfiguration_digest_key",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="payment",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.stripeaccount",
            ),
        ),
        migrations.AddField(
            model_name="invoice",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.stripeaccount",
            ),
        ),
        migrations.CreateModel(
            name="ImportProgress",
            fields=[
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=30,
                        prefix="imp",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("kind", models.CharField(max_length=20)),
                ("after", models.CharField(blank=True, max_length=255)),
                ("finished_at", models.DateTimeField(null=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.stripeaccount",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_importprogress_project_id_key"
                    ),
                    models.UniqueConstraint(
                        fields=("project", "account", "kind"),
                        name="billing_importprogress_kind_key",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Dispute",
            fields=[
                ("stripe_id", models.CharField(blank=True, max_length=255, null=True)),
                ("synced_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=30,
                        prefix="dsp",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("status", models.CharField(max_length=32)),
                ("currency", models.CharField(max_length=3)),
                ("amount", models.BigIntegerField(help_text="Minor units.")),
                ("reason", models.CharField(blank=True, max_length=64)),
                ("evidence_due_by", models.DateTimeField(blank=True, null=True)),
                ("opened_at", models.DateTimeField()),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="disputes",
                        to="billing.payment",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.stripeaccount",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["project", "status"], name="dispute_by_status")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_dispute_project_id_key"
                    ),
                    models.UniqueConstraint(
                        fields=("project", "account", "stripe_id"),
                        name="billing_dispute_stripe_id_key",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CreditNote",
            fields=[
                ("stripe_id", models.CharField(blank=True, max_length=255, null=True)),
                ("synced_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=29,
                        prefix="cn",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("number", models.CharField(blank=True, max_length=64)),
                ("status", models.CharField(max_length=20)),
                ("reason", models.CharField(blank=True, max_length=40)),
                ("currency", models.CharField(max_length=3)),
                ("amount", models.BigIntegerField(help_text="Minor units, taxes included.")),
                ("issued_at", models.DateTimeField()),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
                (
                    "invoice",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="credit_notes",
                        to="billing.invoice",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.stripeaccount",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_creditnote_project_id_key"
                    ),
                    models.UniqueConstraint(
                        fields=("project", "account", "stripe_id"),
                        name="billing_creditnote_stripe_id_key",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="coupon",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.stripeaccount",
            ),
        ),
        migrations.AddField(
            model_name="checkout",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.stripeaccount",
            ),
        ),
        migrations.CreateModel(
            name="StripeCustomer",
            fields=[
                ("stripe_id", models.CharField(blank=True, max_length=255, null=True)),
                ("synced_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("request_key", models.CharField(blank=True, editable=False, max_length=64)),
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=31,
                        prefix="scus",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("email", models.CharField(blank=True, max_length=512)),
                ("name", models.CharField(blank=True, max_length=512)),
                ("currency", models.CharField(blank=True, max_length=3)),
                (
                    "balance",
                    models.BigIntegerField(
                        default=0, help_text="Minor units; negative is a credit."
                    ),
                ),
                ("default_payment_method_stripe_id", models.CharField(blank=True, max_length=255)),
                ("delinquent", models.BooleanField(default=False)),
                ("deleted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.stripeaccount",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.customer",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["account", "stripe_id"], name="owner_by_stripe_customer")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_stripecustomer_project_id_key"
                    ),
                    models.UniqueConstraint(
                        fields=("project", "account", "stripe_id"),
                        name="billing_stripecustomer_stripe_id_key",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("deleted_at__isnull", True)),
                        fields=("project", "account", "customer"),
                        name="billing_stripecustomer_customer_key",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="StripeEndpoint",
            fields=[
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=30,
                        prefix="whk",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("token", models.CharField(editable=False, max_length=64, unique=True)),
                ("secrets", models.JSONField(blank=True, default=list, editable=False)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("disabled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="endpoints",
                        to="billing.stripeaccount",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="StripeIntent",
            fields=[
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=30,
                        prefix="int",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "operation",
                    models.CharField(help_text="A name of billing.stripe.writes.", max_length=48),
                ),
                ("purpose", models.CharField(max_length=255)),
                ("subject", models.CharField(help_text="Our row that this is for.", max_length=40)),
                (
                    "target",
                    models.CharField(
                        blank=True,
                        help_text="The Stripe object that is changed, if there is one.",
                        max_length=255,
                    ),
                ),
                ("params", models.JSONField(default=dict, editable=False)),
                ("params_hash", models.CharField(editable=False, max_length=64)),
                ("key_generation", models.PositiveSmallIntegerField(default=0)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("planned", "Planned"),
                            ("sent", "Sent"),
                            ("unknown", "Unknown"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("parked", "Parked"),
                        ],
                        default="planned",
                        max_length=8,
                    ),
                ),
                (
                    "stripe_id",
                    models.CharField(
                        blank=True, help_text="What Stripe made for it.", max_length=255
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("sent_at", models.DateTimeField(help_text="First, under this key.", null=True)),
                (
                    "asked_at",
                    models.DateTimeField(help_text="Last, under whatever key.", null=True),
                ),
                (
                    "failed_at",
                    models.DateTimeField(
                        help_text="When its key was found to be worn out.", null=True
                    ),
                ),
                ("answered_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "next_try_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("leased_until", models.DateTimeField(null=True)),
                ("last_error", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.stripeaccount",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["planned", "sent", "unknown"])),
                        fields=["next_try_at"],
                        name="intent_due",
                    ),
                    models.Index(
                        condition=models.Q(("finished_at__isnull", False)),
                        fields=["finished_at"],
                        name="intent_finished",
                    ),
                    models.Index(
                        condition=models.Q(("state", "parked")),
                        fields=["updated_at"],
                        name="intent_parked",
                    ),
                    models.Index(fields=["project", "subject"], name="intent_by_subject"),
                    models.Index(fields=["project", "target", "-id"], name="intent_by_target"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_stripeintent_project_id_key"
                    ),
                    models.UniqueConstraint(
                        fields=("project", "purpose"), name="billing_stripeintent_purpose_key"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                ("stripe_id", models.CharField(blank=True, max_length=255, null=True)),
                ("synced_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=30,
                        prefix="sub",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("status", models.CharField(max_length=24)),
                ("started_at", models.DateTimeField()),
                ("trial_ends_at", models.DateTimeField(blank=True, null=True)),
                ("cancel_at", models.DateTimeField(blank=True, null=True)),
                ("canceled_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("latest_invoice_stripe_id", models.CharField(blank=True, max_length=255)),
                ("currency", models.CharField(blank=True, max_length=3)),
                (
                    "pause_behavior",
                    models.CharField(
                        blank=True,
                        help_text="How its collection is paused, in Stripe's words.",
                        max_length=24,
                    ),
                ),
                ("resumes_at", models.DateTimeField(blank=True, null=True)),
                ("schedule_stripe_id", models.CharField(blank=True, max_length=255)),
                ("scheduled_at", models.DateTimeField(blank=True, null=True)),
                ("scheduled_items", models.JSONField(blank=True, default=list)),
                ("discounts", models.JSONField(blank=True, default=list)),
                ("automatic_tax", models.BooleanField(default=False)),
                (
                    "trial_ending_told_for",
                    models.DateTimeField(blank=True, editable=False, null=True),
                ),
                ("metadata", models.JSONField(blank=True, default=dict)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.stripeaccount",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.customer",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["project", "customer", "-id"], name="subscription_by_customer"
                    ),
                    models.Index(fields=["project", "status"], name="subscription_by_status"),
                    models.Index(
                        condition=models.Q(("status", "trialing")),
                        fields=["trial_ends_at"],
                        name="subscription_by_trial_end",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_subscription_project_id_key"
                    ),
                    models.UniqueConstraint(
                        fields=("project", "account", "stripe_id"),
                        name="billing_subscription_stripe_id_key",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="invoice",
            name="subscription",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="invoices",
                to="billing.subscription",
            ),
        ),
        migrations.CreateModel(
            name="SubscriptionItem",
            fields=[
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=29,
                        prefix="si",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("stripe_id", models.CharField(max_length=255)),
                ("price_stripe_id", models.CharField(max_length=255)),
                ("quantity", models.PositiveIntegerField(default=1)),
                ("period_start", models.DateTimeField()),
                ("period_end", models.DateTimeField()),
                (
                    "price",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.price",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
                (
                    "subscription",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="billing.subscription",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "indexes": [
                    models.Index(fields=["project", "price_stripe_id"], name="item_by_stripe_price")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("project", "id"), name="billing_subscriptionitem_project_id_key"
                    ),
                    models.UniqueConstraint(
                        fields=("project", "subscription", "stripe_id"),
                        name="billing_subscriptionitem_stripe_id_key",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SyncObject",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("customer", "Customer"),
                            ("product", "Product"),
                            ("price", "Price"),
                            ("checkout_session", "Checkout session"),
                            ("payment_intent", "Payment, with its refunds and disputes"),
                            ("subscription", "Subscription, with its items"),
                            ("invoice", "Invoice, with its lines"),
                            ("coupon", "Coupon"),
                            ("promotion_code", "Promotion code"),
                        ],
                        max_length=20,
                    ),
                ),
                ("stripe_id", models.CharField(max_length=255)),
                ("requested", models.BigIntegerField(default=0)),
                ("applied", models.BigIntegerField(default=0)),
                ("epoch", models.BigIntegerField(default=0)),
                ("leased_until", models.DateTimeField(null=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                (
                    "next_try_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("parked_at", models.DateTimeField(null=True)),
                (
                    "foreign_at",
                    models.DateTimeField(
                        help_text="When no project was found to own it.", null=True
                    ),
                ),
                (
                    "foreign_customer",
                    models.CharField(
                        blank=True,
                        help_text="The Stripe customer of a foreign object; it is read again once we know that customer.",
                        max_length=255,
                    ),
                ),
                ("last_error", models.TextField(blank=True)),
                ("applied_at", models.DateTimeField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="billing.stripeaccount"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(
                            ("applied__lt", models.F("requested")), ("parked_at__isnull", True)
                        ),
                        fields=["next_try_at"],
                        name="sync_due",
                    ),
                    models.Index(
                        condition=models.Q(("parked_at__isnull", False)),
                        fields=["parked_at"],
                        name="sync_parked",
                    ),
                    models.Index(
                        condition=models.Q(("foreign_at__isnull", False)),
                        fields=["account", "foreign_customer"],
                        name="sync_foreign",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "kind", "stripe_id"), name="billing_syncobject_key"
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="cart",
            constraint=common.models.TenantForeignKey(
                column="customer", name="billing_cart_customer_tenant_fk", to="projects.Customer"
            ),
        ),
        migrations.AddConstraint(
            model_name="cart",
            constraint=common.models.TenantForeignKey(
                column="checkout", name="billing_cart_checkout_tenant_fk", to="billing.Checkout"
            ),
        ),
        migrations.AddConstraint(
            model_name="invoicepayment",
            constraint=common.models.TenantForeignKey(
                column="invoice",
                name="billing_invoicepayment_invoice_tenant_fk",
                to="billing.Invoice",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoicepayment",
            constraint=common.models.TenantForeignKey(
                column="payment",
                name="billing_invoicepayment_payment_tenant_fk",
                to="billing.Payment",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoiceline",
            constraint=common.models.TenantForeignKey(
                column="invoice", name="billing_invoiceline_invoice_tenant_fk", to="billing.Invoice"
            ),
        ),
        migrations.AddConstraint(
            model_name="invoiceline",
            constraint=common.models.TenantForeignKey(
                column="price", name="billing_invoiceline_price_tenant_fk", to="billing.Price"
            ),
        ),
        migrations.AddConstraint(
            model_name="checkoutline",
            constraint=common.models.TenantForeignKey(
                column="checkout",
                name="billing_checkoutline_checkout_tenant_fk",
                to="billing.Checkout",
            ),
        ),
        migrations.AddConstraint(
            model_name="checkoutline",
            constraint=common.models.TenantForeignKey(
                column="price", name="billing_checkoutline_price_tenant_fk", to="billing.Price"
            ),
        ),
        migrations.AddConstraint(
            model_name="cartline",
            constraint=common.models.TenantForeignKey(
                column="cart", name="billing_cartline_cart_tenant_fk", to="billing.Cart"
            ),
        ),
        migrations.AddConstraint(
            model_name="cartline",
            constraint=common.models.TenantForeignKey(
                column="price", name="billing_cartline_price_tenant_fk", to="billing.Price"
            ),
        ),
        migrations.AddConstraint(
            model_name="productfeature",
            constraint=common.models.TenantForeignKey(
                column="product",
                name="billing_productfeature_product_tenant_fk",
                to="billing.Product",
            ),
        ),
        migrations.AddConstraint(
            model_name="productfeature",
            constraint=common.models.TenantForeignKey(
                column="feature",
                name="billing_productfeature_feature_tenant_fk",
                to="entitlements.Feature",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=common.models.TenantForeignKey(
                column="payment", name="billing_refund_payment_tenant_fk", to="billing.Payment"
            ),
        ),
        migrations.AddIndex(
            model_name="promotioncode",
            index=models.Index(fields=["account", "stripe_id"], name="owner_by_promotion_code"),
        ),
        migrations.AddConstraint(
            model_name="promotioncode",
            constraint=models.UniqueConstraint(
                fields=("project", "account", "stripe_id"),
                name="billing_promotioncode_stripe_id_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="promotioncode",
            constraint=common.models.TenantForeignKey(
                column="coupon", name="billing_promotioncode_coupon_tenant_fk", to="billing.Coupon"
            ),
        ),
        migrations.AddConstraint(
            model_name="promotioncode",
            constraint=common.models.TenantForeignKey(
                column="customer",
                name="billing_promotioncode_customer_tenant_fk",
                to="projects.Customer",
            ),
        ),
        migrations.AddIndex(
            model_name="product",
            index=models.Index(fields=["account", "stripe_id"], name="owner_by_product"),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.UniqueConstraint(
                fields=("project", "account", "stripe_id"), name="billing_product_stripe_id_key"
            ),
        ),
        migrations.AddIndex(
            model_name="price",
            index=models.Index(fields=["account", "stripe_id"], name="owner_by_price"),
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.UniqueConstraint(
                fields=("project", "account", "stripe_id"), name="billing_price_stripe_id_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=common.models.TenantForeignKey(
                column="product", name="billing_price_product_tenant_fk", to="billing.Product"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="price",
            trigger=pgtrigger.compiler.Trigger(
                name="price_is_immutable",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."interval" IS DISTINCT FROM (NEW."interval") OR OLD."interval_count" IS DISTINCT FROM (NEW."interval_count") OR OLD."product_id" IS DISTINCT FROM (NEW."product_id") OR OLD."type" IS DISTINCT FROM (NEW."type") OR OLD."unit_amount" IS DISTINCT FROM (NEW."unit_amount"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="c18caae7de80acf1a6322c2f9ead6c3ed9db7f88",
                    operation="UPDATE",
                    pgid="pgtrigger_price_is_immutable_11d17",
                    table="billing_price",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(fields=["account", "stripe_id"], name="owner_by_payment"),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(
                fields=("project", "account", "stripe_id"), name="billing_payment_stripe_id_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=common.models.TenantForeignKey(
                column="customer", name="billing_payment_customer_tenant_fk", to="projects.Customer"
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=common.models.TenantForeignKey(
                column="checkout", name="billing_payment_checkout_tenant_fk", to="billing.Checkout"
            ),
        ),
        migrations.AddConstraint(
            model_name="dispute",
            constraint=common.models.TenantForeignKey(
                column="payment", name="billing_dispute_payment_tenant_fk", to="billing.Payment"
            ),
        ),
        migrations.AddConstraint(
            model_name="creditnote",
            constraint=common.models.TenantForeignKey(
                column="invoice", name="billing_creditnote_invoice_tenant_fk", to="billing.Invoice"
            ),
        ),
        migrations.AddIndex(
            model_name="coupon",
            index=models.Index(fields=["account", "stripe_id"], name="owner_by_coupon"),
        ),
        migrations.AddConstraint(
            model_name="coupon",
            constraint=models.UniqueConstraint(
                fields=("project", "account", "stripe_id"), name="billing_coupon_stripe_id_key"
            ),
        ),
        migrations.AddIndex(
            model_name="checkout",
            index=models.Index(fields=["account", "stripe_id"], name="owner_by_session"),
        ),
        migrations.AddConstraint(
            model_name="checkout",
            constraint=models.UniqueConstraint(
                fields=("project", "account", "stripe_id"), name="billing_checkout_stripe_id_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="checkout",
            constraint=common.models.TenantForeignKey(
                column="customer",
                name="billing_checkout_customer_tenant_fk",
                to="projects.Customer",
            ),
        ),
        migrations.AddConstraint(
            model_name="checkout",
            constraint=common.models.TenantForeignKey(
                column="cart", name="billing_checkout_cart_tenant_fk", to="billing.Cart"
            ),
        ),
        migrations.AddConstraint(
            model_name="checkout",
            constraint=common.models.TenantForeignKey(
                column="promotion_code",
                name="billing_checkout_promotion_code_tenant_fk",
                to="billing.PromotionCode",
            ),
        ),
        migrations.AddConstraint(
            model_name="checkout",
            constraint=common.models.TenantForeignKey(
                column="coupon", name="billing_checkout_coupon_tenant_fk", to="billing.Coupon"
            ),
        ),
        migrations.AddConstraint(
            model_name="stripecustomer",
            constraint=common.models.TenantForeignKey(
                column="customer",
                name="billing_stripecustomer_customer_tenant_fk",
                to="projects.Customer",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=common.models.TenantForeignKey(
                column="customer",
                name="billing_subscription_customer_tenant_fk",
                to="projects.Customer",
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(fields=["account", "stripe_id"], name="owner_by_invoice"),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.UniqueConstraint(
                fields=("project", "account", "stripe_id"), name="billing_invoice_stripe_id_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=common.models.TenantForeignKey(
                column="customer", name="billing_invoice_customer_tenant_fk", to="projects.Customer"
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=common.models.TenantForeignKey(
                column="subscription",
                name="billing_invoice_subscription_tenant_fk",
                to="billing.Subscription",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscriptionitem",
            constraint=common.models.TenantForeignKey(
                column="subscription",
                name="billing_subscriptionitem_subscription_tenant_fk",
                to="billing.Subscription",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscriptionitem",
            constraint=common.models.TenantForeignKey(
                column="price", name="billing_subscriptionitem_price_tenant_fk", to="billing.Price"
            ),
        ),
    ]
