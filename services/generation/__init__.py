"""Generation: an answer from the passages, with its sources, or the wish for a person.

job            write the answer sentence by sentence, trying the tiers that the policy allows
consumes       Grounded
produces       Drafted (one per sentence when a model streams; the last one holds the whole)
when degraded  a tier that fails is left out for a while; the extractive tier needs no model;
               the service is down: stepped past with the extractive tier
data it owns   none
"""
