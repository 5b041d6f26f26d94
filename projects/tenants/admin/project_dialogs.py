"""The forms and dialogs that register and configure a project."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator, validate_email
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldBooleanSwitchWidget

from common.admin import dialogs, fields
from common.currencies import EXPONENTS
from projects.models import Project
from projects.models.project import MOST_PER_SECOND, Sells

SLUG = RegexValidator(
    r"^[a-z0-9](?:[a-z0-9\-]*[a-z0-9])?\Z",
    "Lower-case letters, digits and '-', with a letter or digit at both ends.",
)


NAMESPACE = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9._\-]*\Z",
    "Letters, digits, dots, '_' and '-', with a letter or digit at the beginning.",
)


class ConfigureForm(dialogs.Dialog):
    """The settings of a project. Its mode cannot be changed."""

    name = fields.text(max_length=120)
    slug = fields.text(max_length=50, validators=[SLUG])
    sells = fields.many(Sells.choices)
    default_currency = fields.choice(
        [("", "–"), *((code, code.upper()) for code in sorted(EXPONENTS))], required=False
    )
    contact_email = fields.text(
        required=False,
        max_length=254,
        validators=[validate_email],
        help_text="Where we tell the project's people about expiring keys and failing endpoints.",
    )
    return_origins = fields.paragraph(
        required=False,
        max_length=4000,
        help_text="One per line, such as https://app.example.com: where buyers may be sent back.",
    )

    public_plans = forms.BooleanField(
        required=False,
        initial=True,
        label="Public plans",
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Whether everybody can read the plans on sale, without signing in.",
    )
    workflow_namespace = fields.text(
        required=False,
        max_length=128,
        validators=[NAMESPACE],
        help_text="The Temporal namespace whose workflows the project's payments signal; no other "
        "project can have it.",
    )

    requests_per_second = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_PER_SECOND,
        help_text="Limit of requests per second; empty: the platform's default.",
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    checks_per_second = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_PER_SECOND,
        help_text="Limit of checks, consumption and usage per second; empty: the platform's "
        "default.",
        widget=UnfoldAdminIntegerFieldWidget(),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        project = Project.objects.filter(pk=self.row_key).first() if self.object_id else None
        if project is not None:
            self.initial |= {
                "name": project.name,
                "slug": project.slug,
                "sells": project.sells,
                "default_currency": project.default_currency,
                "contact_email": project.contact_email,
                "public_plans": project.public_plans,
                "workflow_namespace": project.workflow_namespace,
                "requests_per_second": project.requests_per_second,
                "checks_per_second": project.checks_per_second,
                "return_origins": "\n".join(project.return_origins),
            }

    def clean_return_origins(self) -> list[str]:
        return list(filter(None, map(str.strip, self.cleaned_data["return_origins"].splitlines())))


class RegisterProjectForm(ConfigureForm):
    livemode = forms.BooleanField(
        required=False,
        label="Live money",
        widget=UnfoldBooleanSwitchWidget(),
        help_text="It never changes: staging and production are two projects.",
    )
    field_order = ["name", "slug", "livemode"]


REGISTER = dialogs.describe(
    "Register a project",
    "A tenant with its own customers, catalog and keys. Its first key is shown once.",
    submit="Register",
    form=RegisterProjectForm,
)
CONFIGURE = dialogs.describe("Configure project", "", submit="Save", form=ConfigureForm)
CHANGEABLE = (
    "name",
    "slug",
    "sells",
    "default_currency",
    "contact_email",
    "return_origins",
    "public_plans",
    "workflow_namespace",
    "requests_per_second",
    "checks_per_second",
)
