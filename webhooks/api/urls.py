from django.urls import path

from webhooks import views

urlpatterns = [
    path("webhooks/stripe", views.stripe, name="stripe-webhook"),
    path("webhooks/stripe/<str:token>", views.stripe, name="stripe-webhook-endpoint"),
]
