"""What two or more services need. Imports no service. Start with `events.py`."""
