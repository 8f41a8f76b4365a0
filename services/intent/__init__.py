"""Intent: which way an unanswered question goes.

job            by words, then by the classifier (DistilBERT, int8 ONNX): answer FAQ and small talk
               from templates, ask which was meant, offer a person once, confirm or hand over what
               belongs to people, send everything else to the documents
consumes       Missed, ConversationErased
produces       Routed, Answered (FAQ template, clarifying question), Escalated
when degraded  the model fails: keyword rules; the service is down: stepped past by keyword rules
data it owns   the model in `model/`; the files that people edit (INTENT_FAQ_FILE,
               INTENT_TOPICS_FILE); in the store: who was offered a person, messages that wait for a
               label, labels, counts of confidences by week
"""
