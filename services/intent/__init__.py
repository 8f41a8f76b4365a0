"""Intent: which way an unanswered question goes.

job            classify (DistilBERT, int8 ONNX), answer FAQ and small talk from templates, hand over
               what belongs to people, send everything else to the documents
consumes       Missed, ConversationErased
produces       Routed, Answered (FAQ template, clarifying question), Escalated
when degraded  the model fails: keyword rules; the service is down: stepped past by keyword rules
data it owns   the model in `model/`, the FAQ templates that agents edit (INTENT_FAQ_FILE)
"""
