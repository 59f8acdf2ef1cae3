# A value whose slot is taken is not found
# file: io_bus_doorbell.h
# caught by: random
s/if (likely(!rcu_access_pointer(reg->spill)))/if (1)/
