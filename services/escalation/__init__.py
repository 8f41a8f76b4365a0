"""Escalation: cases for people, and the dashboard they work at.

job            open one case per conversation, say who may speak in it, carry agents' words
consumes       Escalated, Relayed, Screened and Answered (live transcript of open cases),
               ConversationErased, PresenceNoticed (every process, for its open dashboards)
produces       CaseOpened, OwnerChanged, AgentReplied, PresenceNoticed
when degraded  events wait in the broker; what agents did waits in the outbox table until the
               broker is back. Without it the customer is told that a person will follow up
data it owns   tables `escalation_*` in DATABASE_URL: cases, their messages, audit log, outbox
"""
