# A fragment of odd width stops the host (since 2009, f1edbed787ba)
# file: ioeventfd_set.h
# caught by: regress split_store
/A fragment of a split store/,/return rcu_dereference/s/return rcu_dereference(set->any);/BUG();/
