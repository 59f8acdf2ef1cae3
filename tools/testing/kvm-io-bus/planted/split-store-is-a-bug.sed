# A fragment of odd width stops the host (since 2009, f1edbed787ba)
# file: io_bus_doorbell.h
# caught by: regress split_store
/Fragments of split stores/,/return rcu_dereference/s/return rcu_dereference(reg->any);/BUG();/
