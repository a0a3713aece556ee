"""Events with their deliveries, relayed to Celery and done once."""
