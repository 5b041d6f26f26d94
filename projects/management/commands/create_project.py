"""``manage.py create_project``: a tenant and its first key, shown once."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from common.currencies import exponent
from common.errors import DomainError
from projects.models import Project, Sells
from projects.tenants import projects
from projects.tenants.projects import Registration


class Command(BaseCommand):
    help = (
        "Register a project. Missing options get defaults, which are printed. The key is "
        "printed only once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="Name of the project.")
        parser.add_argument("--slug", help="Short name; made from the name by default.")
        parser.add_argument(
            "--sells", nargs="+", choices=Sells.values, help="Types of sales; all by default."
        )
        parser.add_argument("--currency", help="ISO 4217, such as usd.")
        parser.add_argument(
            "--live", action="store_true", help="Live mode: real payments. It never changes."
        )
        parser.add_argument(
            "--return-origin",
            action="append",
            default=[],
            help="Origin to which buyers may return, such as https://app.example.com; repeatable.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        registration = self._register(options)
        project = registration.project
        inferred = ", ".join(f"{field} {value}" for field, value in registration.detected.items())
        self.stdout.write(
            f"Project  {project.name} ({project.pk}, {project.mode})\n"
            f"Inferred {inferred or 'nothing'}\n"
            f"Key      {registration.secret}\n"
            "Keep the key now: it cannot be shown again."
        )

    def _register(self, options: dict[str, Any]) -> Registration:
        currency = options["currency"].lower() if options["currency"] else None
        if currency is not None and exponent(currency) is None:
            raise CommandError(f"{currency} is not a currency that Stripe charges in.")
        fields = {
            "name": options["name"],
            "slug": options["slug"],
            "sells": options["sells"],
            "default_currency": currency,
            "livemode": options["live"] or None,
            "return_origins": options["return_origin"],
        }
        try:
            if fields["slug"] is not None:
                Project._meta.get_field("slug").run_validators(fields["slug"])
            return projects.register(**fields, actor="command", at=timezone.now())
        except ValidationError as error:
            raise CommandError("A slug has lower-case letters, digits and hyphens.") from error
        except DomainError as error:
            raise CommandError(f"{error.title} {error.detail}") from error
