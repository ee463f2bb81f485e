"""The statements in plain SQL, for SQLite and PostgreSQL: what another database would have to know.

Why they are plain SQL is said where they are used: `chat.services` and `chat.live_connections`.
"""

# A cross join, because SQLite keeps its order: for each of a few wanted keys one search in the index.
FIND_REPEATS = (
    "WITH wanted (visitor, id) AS (VALUES {}) "
    "SELECT visitor_id, client_id, seq, at FROM wanted CROSS JOIN chat_message "
    "WHERE visitor_id = wanted.visitor AND client_id = wanted.id"
)
FIND_VISITORS = "SELECT id, banned_until, muted_until FROM chat_visitor WHERE id IN ({})"
FIND_ROOMS = "SELECT id, slug, head, deletions FROM chat_room WHERE slug IN ({}) ORDER BY id"
INSERT_MESSAGE = (
    "INSERT INTO chat_message (room_id, seq, visitor_id, client_id, name, text, at) VALUES (%s, %s, %s, %s, %s, %s, %s)"
)
LOCK = " FOR UPDATE"  # where rows can be locked
MOVE_HEAD = "UPDATE chat_room SET head = %s WHERE id = %s"
WRITE_CONNECTION = (
    "INSERT INTO chat_liveconnection "
    "(id, process_id, login_session_id, user_id, rooms, transport, address, user_agent, since) "
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) "
    "ON CONFLICT (id) DO UPDATE SET login_session_id = excluded.login_session_id, user_id = excluded.user_id, "
    "rooms = excluded.rooms, transport = excluded.transport"
)
