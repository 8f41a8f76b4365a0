"""What the router says by itself, to customers and to agents."""

OUT_OF_SCOPE = (
    "I'm afraid that is outside of what I can help with here. "
    "I know about our shop, our products and your orders. Is there anything there I can do?"
)
CONFIRM_YES, CONFIRM_NO = "Yes, go ahead", "No, thanks"
OFFERS = {
    "offer.bare_word": "Shall I bring in a colleague? You can also just tell me what it is about.",
    "offer.anger": (
        "I'm sorry, this has clearly been frustrating. Shall I bring in a colleague to sort it out?"
    ),
    "offer.loop": (
        "I seem to be going round in circles, sorry. Shall I bring in a colleague who can look at "
        "it properly?"
    ),
}
WHICH = "I want to be sure I get this right. Which of these do you mean?"
DECLINED = "All right. What else can I help you with?"

REASONS = {
    "ask_for_human": "The customer asked for a person.",
    "self_harm": "The customer may be in danger.",
    "legal_threat": "The customer mentions legal steps.",
    "fraud_report": "The customer reports fraud.",
    "account_deletion": "The customer wants an account or personal data deleted.",
}


def reason_for(intent: str) -> str:
    """Why a person is needed, in words for the agent."""
    return REASONS.get(intent, f"A matter for a person: {intent.replace('_', ' ')}.")
