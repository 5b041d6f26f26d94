"""Owns the permission map of a project: which permissions each feature stands for at the tenant's
auth service. Does not own the events about a user's permissions (`facts`)."""
