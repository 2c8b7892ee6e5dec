"""What Holdfast tells OpenTelemetry and Prometheus. It only listens: no run goes otherwise because of it."""
