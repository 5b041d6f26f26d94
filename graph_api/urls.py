"""Addresses of GraphQL."""

from django.urls import path

from graph_api.view import GraphQLView

urlpatterns = [path("graphql", GraphQLView.as_view(), name="graphql")]
