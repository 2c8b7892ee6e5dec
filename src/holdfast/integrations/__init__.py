"""Integrations: agents of other libraries, made durable. Each needs its extra, and is imported by itself."""
