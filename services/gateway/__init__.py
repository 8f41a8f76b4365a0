"""Gateway: the door. Takes questions in, brings answers back, and never stays silent.

job            public API v1, sockets and the sample page; limits; the deadline; the owner rule
consumes       (every process sees all) Answered, Escalated, CaseOpened, AgentReplied, OwnerChanged,
               PresenceNoticed, TurnStopped, ConversationErased, KnowledgeChanged
produces       Received, TurnStopped, FeedbackGiven, ConversationErased, DocumentSubmitted,
               PresenceNoticed, Answered (for the record: told while the broker was away)
when degraded  broker away: exact answers from the cache, keyword rules; questions and told answers
               wait in a durable outbox that is replayed in order; Redis away: limits and frames in
               process; history away: only reading conversations says 503; past the deadline an
               honest text
data it owns   frames (KV, 10 min), context of a conversation (KV, 24 h), owner records (KV, rebuilt
               from the topic), the outbox (VAR_DIR/outbox, encrypted)
"""
