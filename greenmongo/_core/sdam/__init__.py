"""Server discovery and monitoring: what is known of a deployment, and how news changes it."""
