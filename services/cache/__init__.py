"""Cache: the same question answered before? Then the same answer, at once.

job            exact match, then nearest neighbours that a second, stricter check must confirm;
               embeds the question once for everybody after it
consumes       Screened, Answered (to remember), KnowledgeChanged (to forget), FeedbackGiven
produces       Answered (a hit), Missed
when degraded  stepped past: upstream publishes Missed without an embedding
data it owns   remembered answers per tenant, locale and knowledge version, in KV_URL (Redis vector
               sets), TTL 1 h; stale ones are kept 24 h for the degraded modes
"""
