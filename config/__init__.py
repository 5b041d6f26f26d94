"""The project: settings, URLs, the Celery app, the web server's application."""

import atexit
import gc

gc.set_threshold(50_000, 20, 50)
"""Imports create 150,000 objects that stay. With Python's own thresholds they would be searched for
garbage 345 times, which is a tenth of the time of a start."""

atexit.register(gc.freeze)
"""An ending process leaves its memory to the system. Python would search all of it for garbage
twice, which takes a third of the CPU time of a `manage.py` command."""

from config.celery import app as celery_app  # noqa: E402  # its imports are most of a start

__all__ = ["celery_app"]
