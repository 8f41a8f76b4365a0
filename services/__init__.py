"""The nine services. Each folder holds the same five files; `handlers.py` is what a turn meets."""
