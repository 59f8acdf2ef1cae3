# A kick still probes the table that is freed
# file: io_bus_doorbell.c
# caught by: regress table_under_reader
/^static struct kvm_io_doorbell_table \*table_for/,/^}/s/kvfree_rcu(old, rcu)/kvfree(old)/
