# The old table is given to RCU while new kicks still find it
# file: ioeventfd_set.c
# caught by: interleave
/^static struct kvm_ioeventfd_table \*table_for/,/^}/{
/kvfree_rcu(old, rcu);/d
/if (old)$/d
s/rcu_assign_pointer(set->table, table);/if (old) kvfree_rcu(old, rcu); &/
}
