"""Write a message: subject, text and HTML in the reader's language, from one template.

The MJML layout is compiled once, with Django's tags in it, so no data passes through MJML. Each
message is a template of blocks that is rendered into the layout of HTML, where everything is
escaped, and into the layout of plain text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import mrml
from babel import Locale
from django.template import Context, Engine, Template

from delivery.mail import formats
from delivery.mail.content import Content, Facts
from delivery.mail.kinds import Audience, NotificationKind
from delivery.models import MailSettings

TEMPLATES = Path(__file__).parent / "templates"
DEFAULT_COLOR = "#0f766e"
DETAIL_SEPARATOR = " | "
SCHEMES = ("https://", "http://")
_HTML = Engine(dirs=[str(TEMPLATES)], autoescape=True)
_TEXT = Engine(dirs=[str(TEMPLATES)], autoescape=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads the message. ``name`` and ``locale`` may be empty."""

    name: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message without its addresses."""

    language: str
    subject: str
    text: str
    html: str


def write(
    *,
    kind: NotificationKind,
    content: Content,
    settings: MailSettings,
    project_name: str,
    reader: Reader,
    unsubscribe_url: str = "",
) -> Message:
    """The message as this reader gets it."""
    language = formats.language_of(reader.locale)
    values: dict[str, Any] = {
        **_format_facts(content.facts, formats.locale_of(reader.locale)),
        "language": language,
        "name": formats.greeting_name(reader.name),
        "brand": formats.clean(settings.brand_name or project_name),
        "project": formats.clean(project_name),
        "for_project": kind.audience is Audience.PROJECT,
        "color": settings.color or DEFAULT_COLOR,
        "logo_url": settings.logo_url,
        "link": content.link if content.link.startswith(SCHEMES) else "",
        "unsubscribe_url": unsubscribe_url,
    }
    name = f"{language}/{kind.name}.txt"
    for part in ("title", "button"):
        values[part] = " ".join(_render(_TEXT, name, f"{part}.txt", values).split())
    values["details"] = _parse_details(_render(_TEXT, name, "details.txt", values))
    html = _html_template(name).render(Context({**values, "layout": _html_layout()}))
    return Message(
        language=language,
        subject=values["title"],
        text=_tidy(_render(_TEXT, name, "layout.txt", values)),
        html=html + "",  # an ordinary text: a page that shows it has to escape it
    )


def _render(engine: Engine, name: str, layout: str, values: Mapping[str, Any]) -> str:
    context = Context({**values, "layout": engine.get_template(layout)}, autoescape=False)
    return str(_text_template(name).render(context))


@cache
def _html_layout() -> Template:
    """The MJML layout as an HTML template."""
    compiled = mrml.to_html((TEMPLATES / "layout.mjml").read_text())
    return _HTML.from_string(compiled.content)


@cache
def _html_template(name: str) -> Template:
    return _HTML.get_template(name)


@cache
def _text_template(name: str) -> Template:
    return _TEXT.get_template(name)


def _format_facts(facts: Facts, locale: Locale) -> dict[str, Any]:
    return {
        name: [_format_facts(line, locale) for line in value]
        if isinstance(value, list)
        else formats.format_value(value, locale).replace(DETAIL_SEPARATOR, " / ")
        for name, value in facts.items()
    }


def _parse_details(text: str) -> list[tuple[str, str]]:
    """Label and value of each line of the block."""
    pairs = (line.split(DETAIL_SEPARATOR, 1) for line in text.splitlines())
    return [(pair[0].strip(), pair[1].strip()) for pair in pairs if len(pair) == 2]


def _tidy(text: str) -> str:
    """Without blank lines that follow each other, as blocks leave them."""
    lines = [line.rstrip() if line.rstrip() != "--" else "-- " for line in text.splitlines()]
    kept = [line for number, line in enumerate(lines) if line or (number and lines[number - 1])]
    return "\n".join(kept).strip() + "\n"
