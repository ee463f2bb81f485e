"""The addresses of the chat."""

from django.urls import path, register_converter

from chat import views


class RoomConverter:
    """A room in an address: 1 to 50 of a-z, 0-9 and the hyphen."""

    regex = "[a-z0-9-]{1,50}"

    def to_python(self, value: str) -> str:
        """Return the slug."""
        return value

    def to_url(self, value: str) -> str:
        """Return the slug."""
        return value


register_converter(RoomConverter, "room")

app_name = "chat"
urlpatterns = [
    path("", views.room, name="lobby"),
    path("rooms/<room:slug>/", views.room, name="room"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
]
