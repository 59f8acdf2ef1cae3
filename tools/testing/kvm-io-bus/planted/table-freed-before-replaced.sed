# The old table is given to RCU while new kicks still find it
# file: io_bus_doorbell.c
# caught by: interleave
/^static struct kvm_io_doorbell_table \*table_for/,/^}/{
/kvfree_rcu(old, rcu);/d
/if (old)$/d
s/rcu_assign_pointer(reg->table, table);/if (old) kvfree_rcu(old, rcu); &/
}
