"""The tables of records, of their keys and of totals are written in SQL: one is partitioned, and
none has foreign keys (``usage/models/record.py`` says why)."""

import common.ids
import common.models
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

TABLES = """
CREATE TABLE usage_record (
    project_id varchar(30) NOT NULL,
    customer_id varchar(30) NOT NULL,
    meter_id varchar(30) NOT NULL,
    occurred_at timestamptz NOT NULL,
    id varchar(30) COLLATE "C" NOT NULL,
    value bigint NOT NULL,
    member bytea,
    recorded_at timestamptz NOT NULL,
    corrects varchar(30) COLLATE "C" NOT NULL DEFAULT '',
    voided_at timestamptz,
    forwarding varchar(12) NOT NULL DEFAULT '',
    forwarding_error text NOT NULL DEFAULT '',
    PRIMARY KEY (project_id, customer_id, meter_id, occurred_at, id)
) PARTITION BY RANGE (occurred_at);
CREATE TABLE usage_record_rest PARTITION OF usage_record DEFAULT;
CREATE INDEX usage_record_to_forward ON usage_record (recorded_at)
    WHERE forwarding IN ('pending', 'canceling');
CREATE INDEX usage_record_refused ON usage_record (project_id, recorded_at)
    WHERE forwarding = 'refused';

CREATE TABLE usage_recordkey (
    project_id varchar(30) NOT NULL,
    id varchar(30) COLLATE "C" NOT NULL,
    customer_id varchar(30) NOT NULL,
    meter_id varchar(30) NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    fingerprint bytea NOT NULL,
    PRIMARY KEY (project_id, id)
);

CREATE TABLE usage_total (
    project_id varchar(30) NOT NULL,
    customer_id varchar(30) NOT NULL,
    meter_id varchar(30) NOT NULL,
    hour timestamptz NOT NULL,
    count bigint NOT NULL,
    sum numeric(38, 0) NOT NULL,
    max bigint NOT NULL,
    last bigint NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, customer_id, meter_id, hour)
);

CREATE TABLE usage_movement (
    project_id varchar(30) NOT NULL,
    customer_id varchar(30) NOT NULL,
    meter_id varchar(30) NOT NULL,
    moved_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, customer_id, meter_id)
);
CREATE INDEX usage_movement_oldest ON usage_movement (moved_at);
"""
TABLES_GONE = "DROP TABLE usage_movement; DROP TABLE usage_total; DROP TABLE usage_recordkey; DROP TABLE usage_record;"


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("projects", "0003_customer_details"),
    ]

    operations = [
        migrations.CreateModel(
            name="Meter",
            fields=[
                (
                    "id",
                    common.ids.PublicIdField(
                        editable=False,
                        max_length=30,
                        prefix="mtr",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "code",
                    models.CharField(
                        max_length=64,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9](?:[a-z0-9_.\\-]*[a-z0-9])?\\Z"
                            )
                        ],
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                ("unit", models.CharField(blank=True, max_length=40)),
                (
                    "aggregation",
                    models.CharField(
                        choices=[
                            ("count", "How many records"),
                            ("sum", "Their values added up"),
                            ("max", "The largest value"),
                            ("last", "The latest value"),
                            ("unique", "How many different values"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "is_forwarded",
                    models.BooleanField(
                        default=False,
                        help_text="Whether records of it are told to Stripe, for metered prices.",
                    ),
                ),
                (
                    "is_watched",
                    models.BooleanField(
                        default=False,
                        help_text="Whether a limit is held against it: its movements are noted.",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("archived_at", models.DateTimeField(blank=True, null=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Counter",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "project",
                        "customer",
                        "meter",
                        "period",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("period", models.CharField(max_length=40)),
                ("starts_at", models.DateTimeField()),
                (
                    "ends_at",
                    models.DateTimeField(
                        help_text="The last moment that there is, when it never resets."
                    ),
                ),
                ("used", models.DecimalField(decimal_places=0, max_digits=38)),
                ("reserved", models.DecimalField(decimal_places=0, default=0, max_digits=38)),
                ("told", models.PositiveSmallIntegerField(default=0)),
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
                (
                    "meter",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="usage.meter",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="meter",
            constraint=models.UniqueConstraint(
                fields=("project", "id"), name="usage_meter_project_id_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="meter",
            constraint=models.UniqueConstraint(
                fields=("project", "code"), name="usage_meter_code_key"
            ),
        ),
        migrations.AddIndex(
            model_name="counter",
            index=models.Index(fields=["ends_at"], name="usage_counter_over"),
        ),
        migrations.AddConstraint(
            model_name="counter",
            constraint=models.CheckConstraint(
                condition=models.Q(("reserved__gte", 0), ("used__gte", 0)),
                name="usage_counter_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="counter",
            constraint=common.models.TenantForeignKey(
                column="customer", name="usage_counter_customer_tenant_fk", to="projects.Customer"
            ),
        ),
        migrations.AddConstraint(
            model_name="counter",
            constraint=common.models.TenantForeignKey(
                column="meter", name="usage_counter_meter_tenant_fk", to="usage.Meter"
            ),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TABLES, TABLES_GONE)],
            state_operations=[
                migrations.CreateModel(
                    name="Movement",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "project",
                                "customer",
                                "meter",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("moved_at", models.DateTimeField()),
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
                            "meter",
                            models.ForeignKey(
                                db_constraint=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="usage.meter",
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
                            models.Index(fields=["moved_at"], name="usage_movement_oldest")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Record",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "project",
                                "customer",
                                "meter",
                                "occurred_at",
                                "id",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("id", models.CharField(db_collation="C", max_length=30)),
                        ("value", models.BigIntegerField()),
                        ("member", models.BinaryField(max_length=16, null=True)),
                        ("occurred_at", models.DateTimeField()),
                        ("recorded_at", models.DateTimeField()),
                        ("corrects", models.CharField(blank=True, db_collation="C", max_length=30)),
                        ("voided_at", models.DateTimeField(null=True)),
                        (
                            "forwarding",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("", "Not told"),
                                    ("pending", "To be told"),
                                    ("told", "Told"),
                                    ("canceling", "To be taken back"),
                                    ("canceled", "Taken back"),
                                    ("refused", "Refused by Stripe"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("forwarding_error", models.TextField(blank=True)),
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
                            "meter",
                            models.ForeignKey(
                                db_constraint=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="usage.meter",
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
                ),
                migrations.CreateModel(
                    name="RecordKey",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "project",
                                "id",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("id", models.CharField(db_collation="C", max_length=30)),
                        ("occurred_at", models.DateTimeField()),
                        ("recorded_at", models.DateTimeField()),
                        ("fingerprint", models.BinaryField(max_length=16)),
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
                            "meter",
                            models.ForeignKey(
                                db_constraint=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="usage.meter",
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
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="Total",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "project",
                                "customer",
                                "meter",
                                "hour",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("hour", models.DateTimeField()),
                        ("count", models.BigIntegerField()),
                        ("sum", models.DecimalField(decimal_places=0, max_digits=38)),
                        ("max", models.BigIntegerField()),
                        ("last", models.BigIntegerField()),
                        ("last_at", models.DateTimeField()),
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
                            "meter",
                            models.ForeignKey(
                                db_constraint=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="usage.meter",
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
                        "abstract": False,
                    },
                ),
                migrations.AddIndex(
                    model_name="record",
                    index=models.Index(
                        condition=models.Q(("forwarding__in", ["pending", "canceling"])),
                        fields=["recorded_at"],
                        name="usage_record_to_forward",
                    ),
                ),
                migrations.AddIndex(
                    model_name="record",
                    index=models.Index(
                        condition=models.Q(("forwarding", "refused")),
                        fields=["project", "recorded_at"],
                        name="usage_record_refused",
                    ),
                ),
            ],
        ),
    ]
