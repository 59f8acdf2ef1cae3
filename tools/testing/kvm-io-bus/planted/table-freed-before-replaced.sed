# The old table is given to RCU while new kicks still find it
# file: io_bus_doorbell.c
# caught by: interleave
/^int kvm_io_register_add/,/^}/{
/kvfree_rcu(old, rcu);/d
/if (old)$/d
s/rcu_assign_pointer(reg->table, table);/if (old) kvfree_rcu(old, rcu); &/
}
