"""Subscriptions to named queries: webhooks that outlive their receiver and this server, and websockets."""
