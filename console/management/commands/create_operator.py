"""``manage.py create_operator``: create an account for the console."""

import os
from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from console import operators
from console.operators import Role


class Command(BaseCommand):
    help = "Creates an account for the console. The password is OPERATOR_PASSWORD or asked for."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument(
            "--role",
            choices=Role.values,
            default=Role.ADMINISTRATOR.value,
            help="viewer: read only; operator: also acts; administrator: also manages accounts.",
        )

    def handle(self, *args: Any, username: str, role: str, **options: Any) -> None:
        password = os.environ.get("OPERATOR_PASSWORD") or getpass("Password: ")
        try:
            is_created = operators.ensure(username=username, password=password, role=Role(role))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        if not is_created:
            raise CommandError(f"An account {username!r} already exists.")
        self.stdout.write(f"Created the {role} {username}.")
