"""Short, the same everywhere, and in the order of time: the console's lists have several to a row."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i"
