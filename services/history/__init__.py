"""History: what was said, by whom, and how each answer came about.

job            keep transcripts by consuming what the other services say anyway; say what documents
               do not cover
consumes       Screened, Relayed, Grounded, Answered (last part), Escalated, AgentReplied,
               FeedbackGiven, KnowledgeChanged, ConversationErased
produces       nothing
when degraded  nobody waits for it: events stay in the broker until it is back, then it catches up
data it owns   tables `history_*` in DATABASE_URL: screened text only, purged after
               HISTORY_RETENTION_DAYS, erased at once by ConversationErased
"""
