"""Errors of features, grants, credits, reservations and snapshots."""

from common.errors import Conflict, Unavailable


class FeatureExists(Conflict):
    code, title = "feature-exists", "The project already has a feature with this code."


class FeatureArchived(Conflict):
    code, title = "feature-archived", "This feature is archived: nothing new can use it."


class GrantExpired(Conflict):
    code, title = "grant-expired", "This grant has expired; there is nothing left to revoke."


class NotEnoughCredits(Conflict):
    code, title = "not-enough-credits", "The user does not have that many credits."


class CreditsKeyReused(Conflict):
    code, title = "credits-key-reused", "This key was used for another spending."


class ReservationKeyReused(Conflict):
    code, title = "reservation-key-reused", "This key was used for another reservation."


class ReservationExpired(Conflict):
    code, title = "reservation-expired", "This reservation has expired."


class ReservationClosed(Conflict):
    code, title = "reservation-closed", "This reservation is over."


class SigningUnavailable(Unavailable):
    code, title = "signing-unavailable", "Nothing can be signed at the moment."
