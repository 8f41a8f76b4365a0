"""Safety: personal data out, attacks and abuse stopped, nothing unchecked let out.

job            screen what customers write; check what the bot would say
consumes       Received, Drafted, ConversationErased
produces       Screened, Relayed (an agent has the conversation), Answered (refusals, checked
               parts), Escalated (not sure enough, the model wants a person, all to people)
when degraded  never stepped past: its understudy in `services/degradation` screens by rules alone
data it owns   the vault: originals behind placeholders, encrypted, in KV_URL, TTL 24 h
"""
