"""The Celery app: wakes workers for work that is recorded in PostgreSQL (see common/queue.py)."""

import os

from celery import Celery

from config.poller import Poller

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

app = Celery("tollgate", task_cls="config.chores:Chore")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(Poller)
