"""Socket.IO for Django Channels, with Django's login session as the credential.

Knows nothing about chat: lift this folder into any Django project. The public names are
`SocketIOConsumer`, `on` and `Refused` (consumer), `SocketIOServer` (server), `OriginCheck` (origin)
and `SocketIOCommunicator` (testing).
"""
