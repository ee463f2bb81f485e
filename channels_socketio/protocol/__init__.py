"""Engine.IO v4 and Socket.IO v5 without I/O: bytes and times in, events and bytes out.

Standard library only; no clock, no randomness, no logging. A driver calls, in this order and
after every input: `receive_data` (or `handle_timeout`), `events_received`, `data_to_send`,
`next_deadline`.
"""
