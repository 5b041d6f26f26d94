"""HTTP clients of the demo: JSON for programs, pages and forms for people."""

import http.client
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

TIMEOUT = 20.0
REDIRECTS = frozenset({301, 302, 303})
HOPS = 5


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


def send(
    method: str, url: str, *, headers: dict[str, str] | None = None, body: bytes = b""
) -> Reply:
    """Send one request without following redirects; header names of the answer are in lower
    case."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        target = parts.path or "/"
        target += f"?{parts.query}" if parts.query else ""
        connection.request(method, target, body=body or None, headers=headers or {})
        answer = connection.getresponse()
        answer_headers = {
            name.lower(): value for name, value in answer.getheaders() if name != "Set-Cookie"
        }
        cookies = answer.headers.get_all("Set-Cookie") or []
        answer_headers["set-cookie"] = "\n".join(cookies)
        return Reply(answer.status, answer_headers, answer.read().decode())
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Api:
    """A client with a bearer key that sends and receives JSON."""

    base: str
    key: str = field(default="", repr=False)

    def call(self, method: str, path: str, data: Any = None, **headers: str) -> Reply:
        all_headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key:
            all_headers["Authorization"] = f"Bearer {self.key}"
        if data is not None:
            all_headers["Content-Type"] = "application/json"
        body = b"" if data is None else json.dumps(data).encode()
        return send(method, self.base + path, headers=all_headers, body=body)


@dataclass(slots=True)
class HtmlForm:
    """A form of a page with the values of its fields."""

    action: str = ""
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[HtmlForm] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = True
            self.found.append(
                HtmlForm(attributes.get("action", ""), attributes.get("method", "get").lower())
            )
        elif self._inside and tag in {"input", "select", "textarea"} and attributes.get("name"):
            self.found[-1].fields[attributes["name"]] = attributes.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


@dataclass(frozen=True, slots=True)
class HtmlPage:
    """A page with the address that it was loaded from."""

    url: str
    status: int
    html: str

    def form(self, *, having: str) -> HtmlForm:
        """The form that has a field of this name."""
        reader = _Forms()
        reader.feed(self.html)
        for form in reader.found:
            if having in form.fields:
                return form
        raise LookupError(f"{self.url} has no form with a field {having!r}.")


class Browser:
    """A browser for pages without scripts: cookies, links and forms.

    It stops at addresses outside ``hosts`` and returns them as an empty page.
    """

    def __init__(self, *hosts: str) -> None:
        self._hosts = {urlsplit(host).netloc for host in hosts}
        self._cookies: dict[str, SimpleCookie] = {}

    def open(self, url: str) -> HtmlPage:
        return self._go("GET", url, b"", "")

    def submit(self, page: HtmlPage, form: HtmlForm, **values: str) -> HtmlPage:
        """Send the form with these values, and follow redirects."""
        fields = {**form.fields, **values}
        url = urljoin(page.url, form.action or page.url)
        return self._go(form.method.upper(), url, urlencode(fields).encode(), page.url)

    def _go(self, method: str, url: str, body: bytes, referer: str) -> HtmlPage:
        for _ in range(HOPS):
            host = urlsplit(url).netloc
            if host not in self._hosts:
                return HtmlPage(url, 0, "")
            reply = send(method, url, headers=self._headers(host, body, referer), body=body)
            self._cookies.setdefault(host, SimpleCookie()).load(
                "; ".join(
                    cookie.split(";")[0] for cookie in reply.headers["set-cookie"].splitlines()
                )
            )
            if reply.status not in REDIRECTS:
                return HtmlPage(url, reply.status, reply.text)
            method, body, url = "GET", b"", urljoin(url, reply.headers["location"])
        raise LookupError(f"{url} redirects in circles.")

    def _headers(self, host: str, body: bytes, referer: str) -> dict[str, str]:
        jar = self._cookies.get(host, SimpleCookie())
        headers = {"Cookie": "; ".join(f"{name}={each.value}" for name, each in jar.items())}
        if referer:
            headers["Referer"] = referer
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return headers
