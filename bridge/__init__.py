"""infocaller-bridge: self-hosted middleware between Infocaller phone lines and a CRM."""
