from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    name = "projects"

    def ready(self) -> None:
        """Register the panel of events and audit entries on the console's customer page."""
        from projects.customers.admin import history_panel, panels

        panels.register(history_panel.PANEL, name="history", order=90)
