# A kick still probes the table that is freed
# file: io_bus_doorbell.c
# caught by: regress table_under_reader
/^int kvm_io_register_add/,/^}/s/kvfree_rcu(old, rcu)/kvfree(old)/
