"""What commands that go through many images have in common: progress, a report, a clean end."""
