"""Other servers that do the same as the chat, to be measured beside it."""
