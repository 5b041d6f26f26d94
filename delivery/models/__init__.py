from delivery.models.outlet import Outlet

__all__ = ["Outlet"]
