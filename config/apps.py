from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        """Register the tracer if traces are exported; without them its libraries stay unloaded."""
        from django.conf import settings

        if settings.TRACING.endpoint:
            from common import spans
            from config.tracing import open_tracer

            spans.export(open_tracer, ratio=settings.TRACING.ratio)
