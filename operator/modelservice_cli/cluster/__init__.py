"""Requests to an API server by the official client, which is imported when one is sent."""
