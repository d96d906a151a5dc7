"""Who is told what the driver does: listeners and loggers of commands, pools and the deployment."""
