"""The addresses of the chat."""

from django.urls import path

from chat import views
from chat.rooms import LOBBY

app_name = "chat"
urlpatterns = [
    path("", views.room, {"slug": LOBBY}, name="lobby"),
    path("rooms/<room:slug>/", views.room, name="room"),
    path("rooms/<log:slug>/messages", views.messages, name="messages"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
]
