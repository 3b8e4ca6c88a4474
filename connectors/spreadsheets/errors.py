"""What keeps a spreadsheet from being read."""


class UnreadableSpreadsheet(Exception):
    """The file can't be read as it is; the message says why."""


class NoSheet(UnreadableSpreadsheet):
    """The file has no such sheet; a person has to mend the name or the file."""


PASSWORD = "it is protected by a password; save it without one"  # noqa: S105 - a message
DAMAGED = "it is damaged, or not all there yet"
UNREADABLE = "it is damaged, not all there yet, or claims more cells than any sheet has"
