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
    help = "Register a project. What is left out is inferred and shown; the key is printed once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="What people call it.")
        parser.add_argument("--slug", help="Its short name; from the name when left out.")
        parser.add_argument(
            "--sells", nargs="+", choices=Sells.values, help="What it takes money for."
        )
        parser.add_argument("--currency", help="ISO 4217, such as usd.")
        parser.add_argument("--live", action="store_true", help="For real money, for ever.")
        parser.add_argument(
            "--return-origin",
            action="append",
            default=[],
            help="Where buyers may be sent back to, such as https://app.example.com; repeatable.",
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
