"""Writes one page of plain text as a PDF 1.4 file, enough for an invoice."""

from __future__ import annotations

MAX_LINES = 46
REPLACEMENTS = {"−": "-", "₹": "INR ", "₩": "KRW ", "₪": "ILS ", "₫": "VND ", "₱": "PHP "}
"""Characters that the standard fonts lack."""


def build_document(lines: list[str]) -> bytes:
    """An A4 page with these lines; the first one is large."""
    content = _build_content(lines[:MAX_LINES])
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R "
            b"/Resources << /Font << /F1 4 0 R >> >> >>"
        ),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
    ]
    return _build_file(objects)


def _build_content(lines: list[str]) -> bytes:
    operators = [b"BT /F1 20 Tf 56 770 Td (%s) Tj /F1 11 Tf" % _encode_text(lines[0])]
    operators += [b"0 %d Td (%s) Tj" % (-28 if not n else -16, _encode_text(line))
              for n, line in enumerate(lines[1:])]  # fmt: skip
    return b"\n".join([*operators, b"ET"])


def _encode_text(line: str) -> bytes:
    for sign, plain in REPLACEMENTS.items():
        line = line.replace(sign, plain)
    for special in "\\()":
        line = line.replace(special, f"\\{special}")
    return line.encode("cp1252", "replace")


def _build_file(objects: list[bytes]) -> bytes:
    """The objects and their cross-reference table."""
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (count, len(body))
    return body + b"xref\n0 %d\n0000000000 65535 f \n" % count + table + trailer
