# A doorbell for any value is let in beside those with values
# file: io_bus_doorbell.c
# caught by: regress doorbell_rules
s/if (reg->nr_match\[order\])/if (0)/
