"""Degradation: keeps the whole answering when a part of it is broken.

job            watch health, choose the mode, tell everybody the policy; stand in for dead services
consumes       HealthReported
produces       PolicyChanged (compacted: who starts later hears the one in force); through its
               understudies also what the dead service would have produced
when degraded  dead itself: everybody keeps the last policy
data it owns   none: the policy in force lies on its topic
"""
