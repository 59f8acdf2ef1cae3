# A kick still probes the table that is freed
# file: ioeventfd_set.c
# caught by: regress table_under_reader
/^static struct kvm_ioeventfd_table \*table_for/,/^}/s/kvfree_rcu(old, rcu)/kvfree(old)/
