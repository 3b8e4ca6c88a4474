"""The first configuration of an installation: what a list of contacts or a CRM is like, and the files that follow from
it."""
