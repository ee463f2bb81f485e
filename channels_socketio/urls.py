"""The client shim, at the address where Socket.IO servers have it: include under `socket.io/`."""

from django.urls import path

from .views import shim

urlpatterns = [path("socket.io.js", shim, name="socketio-shim")]
