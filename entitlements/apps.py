from django.apps import AppConfig


class EntitlementsConfig(AppConfig):
    name = "entitlements"

    def ready(self) -> None:
        """Register the shapes of our events."""
        from entitlements.consumption.representation import ReservationBody
        from entitlements.credits.credit_representation import CreditGrantBody, CreditLevelBody
        from entitlements.features.representation import FeatureBody
        from entitlements.free_tier.representation import FreeTierBody
        from entitlements.grants.representation import GrantBody
        from entitlements.notices.thresholds import LimitReachedBody
        from entitlements.representation import EntitlementsBody, UserPermissionsBody
        from events import bodies
        from events.catalog import EventType

        bodies.register(
            {
                EventType.FEATURE_CREATED: FeatureBody,
                EventType.FEATURE_UPDATED: FeatureBody,
                EventType.FEATURE_ARCHIVED: FeatureBody,
                EventType.FREE_TIER_UPDATED: FreeTierBody,
                EventType.ENTITLEMENTS_CHANGED: EntitlementsBody,
                EventType.USER_PERMISSIONS_CHANGED: UserPermissionsBody,
                EventType.GRANT_CREATED: GrantBody,
                EventType.GRANT_REVOKED: GrantBody,
                EventType.GRANT_EXPIRED: GrantBody,
                EventType.USAGE_THRESHOLD_REACHED: LimitReachedBody,
                EventType.USAGE_LIMIT_REACHED: LimitReachedBody,
                EventType.RESERVATION_EXPIRED: ReservationBody,
                EventType.CREDITS_GRANTED: CreditGrantBody,
                EventType.CREDITS_UPDATED: CreditGrantBody,
                EventType.CREDITS_WITHHELD: CreditGrantBody,
                EventType.CREDITS_RESTORED: CreditGrantBody,
                EventType.CREDITS_REVOKED: CreditGrantBody,
                EventType.CREDITS_EXPIRED: CreditGrantBody,
                EventType.CREDITS_LOW: CreditLevelBody,
                EventType.CREDITS_EXHAUSTED: CreditLevelBody,
            }
        )
