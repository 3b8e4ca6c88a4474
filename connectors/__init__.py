"""The CRM side: what a connector is (`connectors.base`) and the built-in ones. Knows nothing of the platform."""
