"""Event → activity: the events of a call are folded into one, which leaves one activity in the CRM."""
