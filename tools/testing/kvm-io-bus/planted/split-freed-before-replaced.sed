# A split gives the old root to RCU while new kicks still find it
# file: io_bus_index.c
# caught by: regress kicks_during_changes
/^static int split/,/^}/{
s/rcu_assign_pointer(index->root, root);/kvfree_rcu(old_root, rcu); &/
t
s/kvfree_rcu(old_root, rcu);//
}
