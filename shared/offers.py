"""The words of an offer, wherever it is made: by the router alone, or under an answer."""

PERSON = "person"  # `TurnEvent.offer`: a plain yes brings in a colleague
ACCEPT, DECLINE = "Talk to a person", "No, thanks"
OPTIONS = (ACCEPT, DECLINE)
LINE = "Would you rather talk to a person? I can bring in a colleague."


def offering(text: str) -> str:
    """An answer with the offer under it."""
    return f"{text}\n\n{LINE}"
