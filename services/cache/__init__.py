"""Cache: the same question answered before? Then the same answer, at once.

job            exact match, then nearest neighbours that rules and a verifier must confirm; lets
               identical questions wait for the first one's answer; embeds the question once for
               everybody after it
consumes       Screened, Answered (to remember), Escalated (nothing to wait for), Shadowed (fresh
               answers to compare with), KnowledgeChanged, FeedbackGiven, AnswerDisputed,
               ConversationErased (to forget), WarmUpRequested
produces       Answered (a hit), Missed; from its API AnswerDisputed, WarmUpRequested
when degraded  stepped past: upstream publishes Missed without an embedding. Others degraded: serves
               what a healthy system remembered; stale answers where the policy says so
data it owns   in KV_URL: remembered answers per tenant, locale, knowledge and policy version (Redis
               vector sets), TTL 1 h, stale ones 24 h more; which turn an entry served or came from
               (24 h); what was learnt from disputes (180 days); how often questions are asked
"""
