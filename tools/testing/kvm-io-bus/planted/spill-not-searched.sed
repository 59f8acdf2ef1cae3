# A value whose slot is taken is not found
# file: ioeventfd_set.h
# caught by: random
s/if (likely(!rcu_access_pointer(set->spill)))/if (1)/
