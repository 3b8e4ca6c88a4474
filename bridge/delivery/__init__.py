"""The outbox: what has to reach a CRM, brought there by workers, tried again, given up visibly."""
