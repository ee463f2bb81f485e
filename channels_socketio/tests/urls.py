"""The client's file, where Socket.IO servers have it."""

from django.urls import include, path

urlpatterns = [path("socket.io/", include("channels_socketio.urls"))]
