"""When people may be called: calendars, holidays and time zones. Pure: no configuration, no clock."""
