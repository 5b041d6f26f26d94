from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    name = "projects"

    def ready(self) -> None:
        """Register the shapes of our events."""
        from events import bodies
        from events.catalog import EventType
        from projects.keys.representation import KeyBody
        from projects.representation import AppBody, CustomerBody, ProjectBody

        bodies.register(
            {
                EventType.CUSTOMER_CREATED: CustomerBody,
                EventType.CUSTOMER_UPDATED: CustomerBody,
                EventType.CUSTOMER_DELETED: CustomerBody,
                EventType.PROJECT_UPDATED: ProjectBody,
                EventType.PROJECT_SUSPENDED: ProjectBody,
                EventType.PROJECT_RESUMED: ProjectBody,
                EventType.APP_CREATED: AppBody,
                EventType.APP_UPDATED: AppBody,
                EventType.APP_ARCHIVED: AppBody,
                EventType.API_KEY_CREATED: KeyBody,
                EventType.API_KEY_ROTATED: KeyBody,
                EventType.API_KEY_REVOKED: KeyBody,
            }
        )
