from django.apps import AppConfig


class RpcConfig(AppConfig):
    name = "rpc"

    def ready(self) -> None:
        """Load the errors, so that the page of errors has them in every process."""
        from rpc import errors  # noqa: F401
