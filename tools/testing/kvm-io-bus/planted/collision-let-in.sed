# An ioeventfd for any value is let in beside those with values
# file: ioeventfd_set.c
# caught by: regress doorbell_rules
s/if (set->nr_match\[order\])/if (0)/
